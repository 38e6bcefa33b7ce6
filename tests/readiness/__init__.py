"""``make readiness``: how often the statistics err, on simulated tables that are watched continuously.

simulation   tables as streams of matches and mismatches, and when each would be declared ready
"""
