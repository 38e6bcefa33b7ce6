"""PostgREST in Python, pure: values in, values out, in the order in which a request walks through.

auth/          who is asking: token, claims, role
parse/         the request as what it asks for; knows no schema
schema         the schema cache as a value, with relationships and view_origins to derive it
plan/          what is to be read, every name resolved
sql/           the plan as one SQLAlchemy Core statement, compiled once per shape
prepare        requests that differ in literals only, planned once
response       what the database gave, as status, headers and body
sqlstate       what PostgreSQL refused, as PostgREST tells it
reading        what a request promises about the order of its rows
touch          which relations a request touches besides its own
reach          what a write reaches, and whether a rollback undoes it
made           which values of a write's answer are made anew each time
dialect        where PostgREST's versions differ
edge           what lies around every answer: cross-origin and trace headers
fuzzy          which known name a client may have meant
"""
