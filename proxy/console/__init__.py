"""What operators read and do at a terminal, from the ledger, a running proxy's admin port, or the file.

sources     where it comes from
output      tables on a terminal, lines with tabs when piped
curl        a request as a curl line, with placeholders for what was hidden
side_by_side  two answers beside each other
mismatches  ``understudy mismatches``
status      ``understudy status``
switching   ``understudy promote`` and ``understudy rollback``
knowledge   what the ledger knows, for whoever promotes
rearm       ``understudy rearm``
must_see    ``understudy must-see``
readiness, certificate  judgements as tables, text and JSON
"""
