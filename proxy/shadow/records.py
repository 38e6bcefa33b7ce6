"""CSV as records that keep their text, since quotes carry meaning: ``""`` is empty, nothing is NULL."""

import re

from proxy.shadow.tokens import Token

FIELD = re.compile(rb'(?:"(?:[^"]|"")*+"|[^,"]++)*+')


def read_records(body: bytes) -> list[bytes]:
    """The records of ``body`` with their quotes; a line break inside quotes does not end one.

    There is always a first one, the header. Source: RFC 4180, section 2; reference 2 (CSV output).
    """
    records: list[bytes] = []
    pending: list[bytes] = []
    quotes = 0
    for line in body.split(b"\n"):
        pending.append(line)
        quotes += line.count(b'"')
        # A quote inside quotes is doubled, so that an even number means that all are closed.
        if quotes % 2 == 0:
            records.append(b"\n".join(pending))
            pending.clear()
            quotes = 0
    if pending:
        records.append(b"\n".join(pending))
    return records


def read_table(body: bytes) -> tuple[bytes, list[Token]]:
    """The header line, and the other records as rows: objects whose values are the fields' text.

    A record that has more or fewer fields than the header is kept whole.
    """
    header, *records = read_records(body)
    names = [field.decode("utf-8", "backslashreplace") for field in split_record(header)]
    return header, [_make_row(names, record) for record in records]


def split_record(record: bytes) -> list[bytes]:
    """The fields of ``record`` with their quotes; the record itself where quotes do not fit."""
    fields: list[bytes] = []
    position = 0
    while True:
        match = FIELD.match(record, position)
        assert match is not None
        fields.append(match[0])
        position = match.end()
        if position == len(record):
            return fields
        if record[position : position + 1] != b",":
            return [record]
        position += 1


def _make_row(names: list[str], record: bytes) -> Token:
    fields = split_record(record)
    if len(fields) != len(names):
        return record
    return tuple(zip(names, fields, strict=True))
