"""From a plan to SQL, by SQLAlchemy Core.

elements    parameters by number, verbatim types and calls, quoting
conditions  operands, conditions and orders
read        the statement of a read
build       statement text, once per shape, and the values that go with it
session     the settings of a request's transaction
"""
