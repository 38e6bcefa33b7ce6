"""From a plan to SQL, by SQLAlchemy Core.

elements    parameters by number, verbatim types and calls, quoting
conditions  operands, conditions and orders
call        a function call as a source of rows
change      INSERT, UPDATE and DELETE as a source of rows
read        the statement: rows, counts and bodies
build       statement text, once per shape, and the values that go with it
session     the settings of a request's transaction
"""
