"""What operators read and do at a terminal.

file                    a file is changed whole or not at all
promote, switching      the modes of tables, by changing the file
patch                   how to make a change that cannot be made from here
readiness, certificate  judgements as tables, text and JSON
"""
