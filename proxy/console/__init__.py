"""What operators read and do at a terminal.

file                    a file is changed whole or not at all
promote, rollback       the modes of tables, by changing the file
readiness, certificate  judgements as tables, text and JSON
"""
