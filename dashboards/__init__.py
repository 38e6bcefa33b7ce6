"""What Grafana and Prometheus show and tell of the proxy, as code.

style      how panels, variables and links look, in one place
cutover, mismatches, latency, health    one dashboard each
metrics    which metrics no panel needs, and which the proxy does not export yet
reference  docs/metrics.md
generate   writes the dashboards to ``json/``, and docs/metrics.md; ``make docs`` runs it
rules/     recording rules and alerts, with promtool's tests of them

``json`` is committed, and a test compares it with what the code makes. ``make dashboards`` proves that every
expression finds data in a real Prometheus that watched a live proxy.
"""
