"""Recorded answers, framed for the wire."""

import json

import pytest

from proxy.messages import Answer, Request
from proxy.tape.reply import make_reply, not_on_tape


def written(answer: Answer, method: str = "GET", *, last: bool = False) -> bytes:
    reply = make_reply(answer, method, on_tape=True, last=last)
    return reply.start + b"[Date]" + reply.rest


def test_an_answer_with_a_length_is_written_as_it_was_recorded_with_the_date_in_front() -> None:
    answer = Answer(206, (("X-Ü".encode(), b"a"), (b"Content-Length", b"2")), b"[]", "Très".encode())
    expected = "HTTP/1.1 206 Très\r\n[Date]X-Ü: a\r\nContent-Length: 2\r\n\r\n[]"
    assert written(answer) == expected.encode()


def test_an_answer_without_a_length_was_chunked() -> None:
    assert written(Answer(500, body=b"Something", reason=b"E")) == (
        b"HTTP/1.1 500 E\r\nTransfer-Encoding: chunked\r\n[Date]\r\n9\r\nSomething\r\n0\r\n\r\n"
    )
    assert written(Answer(200, reason=b"OK")) == (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n[Date]\r\n0\r\n\r\n"
    )


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_some_answers_never_have_a_body_and_keep_the_length_they_claim(method: str, status: int) -> None:
    answer = Answer(status, ((b"Content-Length", b"17"),), b"x", b"R")
    assert written(answer, method) == b"HTTP/1.1 %d R\r\n[Date]Content-Length: 17\r\n\r\n" % status


def test_a_length_is_corrected_to_the_body_at_hand() -> None:
    answer = Answer(200, ((b"Content-Length", b"242027"),), b"{}", b"OK")
    assert written(answer).endswith(b"Content-Length: 2\r\n\r\n{}")


def test_the_last_answer_of_a_connection_says_so() -> None:
    assert written(Answer(204), last=True) == b"HTTP/1.1 204 \r\n[Date]Connection: close\r\n\r\n"


def test_a_request_that_is_not_on_the_tape_gets_501_in_the_shape_of_an_error() -> None:
    answer = not_on_tape(Request("FOO", "/ü".encode()))
    assert answer.status == 501
    assert json.loads(answer.body) == {
        "code": "TAPE",
        "details": "FOO /ü",
        "hint": None,
        "message": "this request is not on the tape",
    }
    assert json.loads(not_on_tape(Request("GET", b"/\xff")).body)["details"] == "GET /\ufffd"
