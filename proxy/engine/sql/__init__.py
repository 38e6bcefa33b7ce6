"""From a plan to SQL, by SQLAlchemy Core.

elements    parameters by number, verbatim types and calls, quoting
conditions  operands, conditions and orders
call        a function call as a source of rows
change      INSERT, UPDATE and DELETE as a source of rows
read        the rows of a relation and what is embedded in it
body        the text made from rows
statement   the one statement: source, rows, counts and body
build       statement text, once per shape, and the values that go with it
session     the settings of a request's transaction
"""
