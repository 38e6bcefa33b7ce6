"""The root document: what the API offers, in Swagger 2.0. Source: PostgREST 14, reference 11.4 and 11.5.

inspection   what the role of a request may see
types        PostgreSQL's types in Swagger's words
defaults     the default of a column as a JSON value
definitions  relations as objects with properties
parameters   the parameters that operations share
paths        relations and functions as paths with operations
document     all of it joined
render       the document as JSON text
response     the document, or its refusal, as an answer
"""
