"""Understudy: a shadow-traffic proxy for replacing PostgREST without fear.

The rooms, in the order in which one mirrored read walks through them:

server/    The front door: reads the client's request, asks the upstream, mirrors, reloads.
shadow/    The second opinion, pure: which requests are mirrored, and what a difference means.
engine/    PostgREST in Python, pure: parse, plan, sql, response.
database/  The engine's only await: pool, session settings, catalog, answer.
tape/      Exchanges recorded to files, replayed, or played back as a stand-in upstream.
ledger/    Evidence that outlives the process: counts, kept mismatches, mode changes.
modes/     The modes of tables, as people change them: in the file.
operate/   What operators touch: metrics, health, the admin port.
access/    The engine as a library, for callers in the same process.
console/   What operators read and do at a terminal.
web/       What they read and do in a browser.

``messages``, ``errors``, ``events`` and ``config`` serve every room; ``app`` is the only place where
objects are made and joined. ``serving`` runs it until it is told to end, alone or as one of several
``workers``; only ``cli`` knows ``serving``. ``second_opinion`` joins what gives verdicts, and ``apart`` has
it in a process of its own, at the other end of a ``line``. ``standalone`` is the engine alone: ``answering``
is what each of its processes does, and its ``crew`` are the others. A ``companion`` keeps such a process
there.
"""

__version__ = "0.1.0"
