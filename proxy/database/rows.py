"""The one row that a statement of the engine gives, as it comes from the wire."""

import json
from collections.abc import Sequence

from proxy.database.wire import Fields
from proxy.engine.response import Rows


def read_rows(found: Sequence[Fields]) -> Rows:
    """What the one row of ``found`` says, if there is one."""
    if not found:
        return Rows(total=0, page=0, body=None, headers=None, status=None)
    total, page, body, headers, status, *more = found[0]
    location, inserted = more if len(more) == 2 else (None, None)
    return Rows(
        None if total is None else int(total),
        int(page or 0),
        body,
        None if headers is None else headers.decode(),
        None if status is None else status.decode(),
        None if location is None else json.loads(location),
        None if inserted is None else int(inserted),
    )
