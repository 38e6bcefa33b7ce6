"""The front door: sockets, connections and tasks. It decides nothing about what an answer means.

front, request_parser, client, request_body   a client's request in, its reply out, byte for byte
heads, bodies, refusals, dates                HTTP/1.1 as values
upstream, connection                          requests to the upstream
handler                                       one request: which side answers, what is counted
mirror                                        the bounded queue of mirrored reads
state, reload, schema_cache                   what is in force, and how that changes
alone, listening, listener, options, failures an engine without a proxy: requests, sockets, NOTIFY, options
"""
