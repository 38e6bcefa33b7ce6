"""Recorded exchanges: files of them, replayed against a server, or answered in PostgREST's place.

format, collection, request   tapes as values, read and written
tokens, compare, report       recorded and actual answers, compared by the rules of the conformance suite
wire, replay                  ``understudy tape replay``
match, reply, stand_in        ``understudy stand-in``
"""
