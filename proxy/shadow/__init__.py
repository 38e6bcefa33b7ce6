"""The second opinion, pure: which requests are mirrored, and what a difference between answers means.

names, subject, policy     which table a request is for, and what its rule says
shape, query               a request with its literal values taken out
scrub, redaction/          secrets taken out of whatever is shown or kept
evidence, freshness        what is counted of a shape, on what it depends, and what says something new
compare, order             two answers to a verdict
masking                    the same for a write and its rehearsal
tokens, records, headers, coding   JSON, CSV, headers and encodings, as compared
"""
