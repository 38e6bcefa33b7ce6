"""What operators touch. Everything here listens to events, or is asked; nothing decides.

listeners           one event to every listener
metrics, families   Prometheus
tally               plain counts per table
recent              the newest disagreements
rules, proposals    what rules of compare.ignore did, and which might be made
log                 noteworthy events and, if wanted, requests
log_records         what of an event is written, without secrets
log_output          as lines for people, or as JSON
tracing, spans      requests as spans of OpenTelemetry
health              last reload, last schema load, readiness
lag                 how late the event loop is
admission, gate     who may ask the admin port for what
admin, wish_admin   the admin port
postgrest_admin     the admin server of an engine alone, as PostgREST has it
postgrest_log       the log of an engine alone, as PostgREST has it
"""
