"""``make soak``: mixed traffic for a long time, while everything changes that can change.

schema.sql  tables whose answers are known, and some that change
stage       PostgreSQL, upstream and proxy, each in a process of its own
traffic     clients that know what each answer has to be
weather     what happens meanwhile: reloads, promotions, schema and role changes, restarts
gauges      memory and descriptors of the proxy, and whether they grow
accounts    what the proxy and its ledger have counted, against what the clients have
"""
