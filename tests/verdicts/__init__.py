"""Can the verdicts be trusted? No false alarm while others write, and every planted fault found.

reads, writers   what is read and written, by chance
stage            database, upstream and proxy, each in a process of its own
alarms           mirrored reads with concurrent writers: nothing may be called a mismatch
faults           faults to plant: in answers, in SQL sessions, in the schema cache, in options
detection        each of them has to be found as a mismatch, in the right aspect
"""
