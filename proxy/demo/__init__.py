"""``understudy demo``: the whole story on one machine, with real parts and recorded traffic.

stage  what the story is played on: database, upstream, proxy, each in a process of its own
story  what is played: recorded reads, their verdicts, a table switched and taken back
"""
