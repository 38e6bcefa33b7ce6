"""The engine's only await: connections, transactions, the catalog, and the one function that answers.

answer           a request to an answer, with one transaction in between
snapshot         options and schema cache, frozen for one request
connection       the way to PostgreSQL: connections lent to transactions
transaction      one transaction, from its settings to its end
quiet            a read without a transaction
standing         settings that stay on a connection, for reads that need no transaction
pool             connections kept to be used again, and when one is not
turns            whoever waits for one, and not for ever
pipeline, wire   several statements in one round trip, on a connection of asyncpg
plans            plans that have been made, kept
conninfo         connection strings as libpq reads them
replica          a standby that answers reads while it is known to be fresh
server           whether the server is one the engine can run on
settings         the server's version, options kept in the database, settings of roles
notifications    what is told on a NOTIFY channel
rows             the one row that a statement gives
statements       statements as they are sent, and those of one request for the log
alone            the answers of an engine behind which nobody stands
catalog          the schema cache, read from the catalog
catalog_queries  the SQL of that
reach            what writes reach, read from the catalog
faults           the driver's exceptions, translated once
"""
