"""What operators read and do at a terminal, from the ledger, a running proxy's admin port, or the file.

sources     where it comes from
output      tables on a terminal, lines with tabs when piped
curl        a request as a curl line, with placeholders for what was hidden
side_by_side  two answers beside each other
mismatches  ``understudy mismatches``
status      ``understudy status``
file        a file is changed whole or not at all
promote, switching  the modes of tables, by changing the file
patch       how to make a change that cannot be made from here
readiness, certificate  judgements as tables, text and JSON
"""
