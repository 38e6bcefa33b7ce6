"""``make chaos``: everything is broken in every way, and it is seen what clients see and what is counted.

cells     the matrix: what is broken, how, in which mode; what a client may see then, what has to be counted
stage     database, upstream, ledger and proxy, each behind a relay that can fail
breaking  how each thing is broken, and mended
clients   clients of each mode, who judge every answer
rude      clients that are themselves what is broken
scene     one thing broken in one way while the clients of all modes go on, and the accounts afterwards
report    the matrix as a table
"""
