"""The front door: sockets, connections and tasks. It decides nothing about what an answer means.

front, request_parser, client, request_body   a client's request in, its reply out, byte for byte
heads, bodies, refusals, dates                HTTP/1.1 as values
upstream, connection                          requests to the upstream
in_force                                      which upstream that is, while it changes, goes and comes back
handler, visit, parts                         one request: which side answers, what is counted
engine_side, orders                           the engine on stage, and what its trouble means
mirror, comparing                             the bounded queue of mirrored reads, and what is made of them
proof, again                                  reading both sides again to prove a difference
selftest, probe, throttle                     checks of the checker and of the upstream; when to hold back
rehearsal                                     writes that the engine does and undoes before the upstream
writes                                        the proxy's own writes, and which readings they came in between
guarding                                      tables that the guard has put back, and who is told
state, reload, schema_cache                   what is in force, and how that changes
alone, listening, listener, options, failures an engine without a proxy: requests, sockets, NOTIFY, options
"""
