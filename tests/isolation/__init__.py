"""``make isolation``: whether clients notice what the engine does behind them.

load    clients that keep to a pace, check every answer, and tell how long each took
stage   an upstream, a proxy that mirrors and two that do not, each in a process of its own
rounds  the conditions of the engine, the proxies in turn, and the judgement
"""
