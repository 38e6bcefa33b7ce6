"""From bytes to an ``ApiRequest``. Nothing here knows any schema.

parsec, failure   parser combinators, and how their failures read
syntax            the nouns: filters, logic, select, order
grammar           text to nouns
query             the query string, sorted into what each parameter means
range             limit, offset and Range as intervals of rows
preferences       Prefer
media             Accept and Content-Type
request           all of it together, checked in PostgREST's order
"""
