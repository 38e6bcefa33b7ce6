"""``make bench``: how fast the proxy and the engine are, beside what they stand in front of or replace.

figures    medians, spreads and ratios of repeated measurements
reads      the reads that are measured
wrk        the command line of wrk, and what it prints
load       a load generator of our own, for machines without wrk
wire       what a client of PostgreSQL sends, read from its bytes
relay      a relay in front of PostgreSQL that listens in, or hangs
bare       a server that does nothing but answer: the floor of the proxy
floor      the same statements without an engine: the floor of the engine
processes  processes, the processor time they take, their ports
stage      everything that is measured, each part in a process of its own
rounds     the rounds: every side once, in alternating order
more       what needs another load, other servers, or a past
report     the tables, and the same as JSON
goals, chart  what the goals are and how near the figures come to them
"""
