"""One embedded server for all tests of this room that do not need their own."""

from collections.abc import Iterator

import pytest

from proxy.embedded import EmbeddedPostgres


@pytest.fixture(scope="package")
def running() -> Iterator[EmbeddedPostgres]:
    """A started server; it stops when the tests of this room are done."""
    with EmbeddedPostgres() as started:
        yield started
