"""What was kept before somebody had it hidden, hidden as well."""

import json

from sqlalchemy import Connection, select, update

from proxy.ledger.documents import (
    read_answer,
    read_differences,
    read_request,
    render,
    show_answer,
    show_differences,
    show_request,
)
from proxy.ledger.tables import EXAMPLES, SIGNATURES
from proxy.shadow.evidence import digest
from proxy.shadow.redaction.exchange import redact_exchange
from proxy.shadow.redaction.secrets import Redaction

AT_ONCE = 30
"""Examples that are looked at in one transaction."""


def name_redaction(redaction: Redaction) -> str:
    """The digest of what is hidden, by which examples are known that were kept under other rules."""
    return digest(*sorted(redaction.columns))


def hide_again(connection: Connection, redaction: Redaction) -> bool:
    """Hide in examples what ``redaction`` hides now; whether there may be more of them.

    Hiding what is hidden changes nothing, so whatever rules an example was kept under, these are added.
    """
    name = name_redaction(redaction)
    found = connection.execute(select(EXAMPLES).where(EXAMPLES.c.redaction != name).limit(AT_ONCE)).all()
    for row in found:
        documents = {part: json.loads(row._mapping[part]) for part in ("request", "upstream", "engine")}
        answers = [read_answer(documents[side]) for side in ("upstream", "engine")]
        redacted = redact_exchange(
            redaction,
            read_request(documents["request"]),
            answers,
            read_differences(json.loads(row.differences)),
        )
        shown = {
            "request": show_request(redacted.request),
            "upstream": show_answer(redacted.answers[0]),
            "engine": show_answer(redacted.answers[1]),
        }
        for part, document in documents.items():
            if "whole_size" in document:
                shown[part]["whole_size"] = document["whole_size"]
        connection.execute(
            update(EXAMPLES)
            .where(EXAMPLES.c.signature_id == row.signature_id, EXAMPLES.c.slot == row.slot)
            .values(
                redaction=name,
                differences=render(show_differences(redacted.differences)),
                **{part: render(document) for part, document in shown.items()},
            )
        )
    if found:
        _hide_smallest(connection, redaction)
    return len(found) == AT_ONCE


def _hide_smallest(connection: Connection, redaction: Redaction) -> None:
    rows = connection.execute(
        select(SIGNATURES.c.id, SIGNATURES.c.smallest).where(SIGNATURES.c.smallest != "")
    )
    for name, smallest in rows.all():
        request = redact_exchange(redaction, read_request(json.loads(smallest))).request
        text = render(show_request(request))
        if text != smallest:
            connection.execute(update(SIGNATURES).where(SIGNATURES.c.id == name).values(smallest=text))
