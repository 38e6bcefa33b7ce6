"""The second opinion, pure: which requests are mirrored, and what a difference between answers means.

names, subject, policy     which table a request is for, and what its rule says
canary                     which clients the engine answers
shape, query               a request with its literal values taken out
scrub, redaction/          secrets taken out of whatever is shown or kept
evidence, freshness        what is counted of a shape, on what it depends, and what says something new
shrink                     smaller requests than a given one
compare, bodies            two answers to a verdict
arrange, rows              the order of rows, as far as it was promised; which rows to compare
masking                    the same for a write and its rehearsal
ignore                     what is not compared
parts, proof               what differs, part by part, and what later readings make of it
signature                  the name of a fault
tokens, records, headers, coding   JSON, CSV, headers and encodings, as compared
corrupt, proposals, throttle       known corruptions; rules to propose; when to hold back
readiness                  whether a table may be promoted, and what is missing
rates, unseen, latency     the statistics of that
must_see                   shapes that people want to have seen compared
promotion, ramp            what a promotion sets, step by step, and when it is refused
wish                       what a person wants of one table of a running proxy, and what came of it
deadlines                  how a client's time is divided between the sides
guard, circuit             what holds a table back, and what leaves a broken engine alone
certificate                what can be said when all is done
words                      figures in words
"""
