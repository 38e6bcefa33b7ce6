"""From an ``ApiRequest`` and a ``Schema`` to a plan, in small passes.

types      trees of rows as values; equal if they differ in literals only
whole      whole plans: tree, source, body
resolve    fields and conditions against the columns of a relation
relations  which relation, and which relationship, a name means
tree       passes that grow the tree: nodes, filters, orders, ranges, relationships
embed      passes that settle what it puts out: stars, spreads, aggregates
negotiate  media type and preferences
call       which function, and how its arguments reach it
change     which rows are added, changed or removed, and what values they get
make       the passes in their order
"""
