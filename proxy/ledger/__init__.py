"""The ledger: evidence that outlives the process, in SQLite or in a PostgreSQL that all replicas share.

documents    requests, answers and differences as JSON texts
batch        what happened since the last flush, counted, in bounds
ledger       the listener, and the task that flushes
tables       what is in the database
migrations   how it came to be so
database     transactions, each with a function that works on a SQLAlchemy connection
write        a batch to rows
prune        what is forgotten
hide         what is hidden afterwards
bounds       how much is kept
report       what is known, as JSON values
read         rows to values
holds        what the guard has put back, for all replicas
must_see     shapes that people have pinned
judging      what readiness is judged by

The statements are the same for both databases. They are sync and run in a thread of the ledger's own:
nothing here is ever waited for by a client or by the mirror, and nothing here raises into them.
"""
