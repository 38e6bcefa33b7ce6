"""Take secrets out of an exchange before it is kept (promise 10), pure.

secrets   what is a secret: by its name, by how it looks, because somebody configured it
target    the request's path and query
bodies    JSON, CSV and other bodies
errors    error texts that quote values
exchange  a request, its answers and their differences, together

What is hidden in one place is looked for in all others: a value may come back under another name, in an
error text, or in the answer of a side that is wrong.
"""
