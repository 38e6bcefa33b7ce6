"""What operators read at a terminal, from the ledger or from a running proxy's admin port.

sources     where it comes from
output      tables on a terminal, lines with tabs when piped
curl        a request as a curl line, with placeholders for what was hidden
side_by_side  two answers beside each other
mismatches  ``understudy mismatches``
status      ``understudy status``
"""
