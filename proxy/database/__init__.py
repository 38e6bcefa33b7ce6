"""The engine's only await: connections, transactions, the catalog, and the one function that answers.

answer           a request to an answer, with one transaction in between
snapshot         options and schema cache, frozen for one request
connection       SQLAlchemy's pool of asyncpg connections; transactions and their settings
catalog          the schema cache, read from the catalog
catalog_queries  the SQL of that
faults           the driver's exceptions, translated once
"""
