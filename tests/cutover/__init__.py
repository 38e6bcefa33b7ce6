"""``make cutover``: a table is switched under live traffic, and what the guard does when the engine fails.

stage    database, upstream and the proxy, whose engine can be made to fail
faults   the ways in which it fails
crowd    clients that check every answer, and writers
replicas  two processes on one ledger
kills    commands that are killed while they change the file
story    what is played, and what each client saw
"""
