"""The load generator of our own: where an answer ends."""

import pytest

from tests.bench.load import body_length

SIZED = b"HTTP/1.1 200 OK\r\nDate: today\r\ncontent-length: 5\r\nX-Length: 9\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
BODILESS = b"HTTP/1.1 204 No Content\r\nServer: s\r\n\r\n"


@pytest.mark.parametrize(("answer", "length"), [(SIZED, 5), (CHUNKED, 5), (BODILESS, 0)])
def test_a_complete_answer_has_a_length(answer: bytes, length: int) -> None:
    assert body_length(answer) == length


@pytest.mark.parametrize("answer", [SIZED, CHUNKED, BODILESS])
def test_an_incomplete_answer_has_none_yet(answer: bytes) -> None:
    assert {body_length(answer[:end]) for end in range(len(answer))} == {None}
