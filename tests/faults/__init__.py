"""What makes faults, and what sees them: parts that chaos, isolation and soak share.

relay    a TCP relay in front of any server, which can be made to fail in every way
client   a client that never sends anything twice
"""
