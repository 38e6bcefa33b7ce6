"""Two answers beside each other."""

from proxy.console.side_by_side import Line, compare_lines
from proxy.messages import Answer

JSON = ((b"Content-Type", b"application/json"),)


def test_every_aspect_that_differs_has_a_line() -> None:
    upstream = Answer(200, (*JSON, (b"Content-Range", b"0-1/*")), b'[{"a":1.10,"b":null},{"a":2}]')
    engine = Answer(206, (*JSON, (b"Content-Range", b"0-2/*")), b'[{"a":1.1,"b":null},{"a":2},{"a":3}]')
    marked = [line for line in compare_lines(upstream, engine) if line.mark != "="]
    assert marked == [
        Line("|", "status 200", "status 206"),
        Line("|", "Content-Range: 0-1/*", "Content-Range: 0-2/*", "Content-Range"),
        Line("|", '    "a": 1.10', '    "a": 1.1', "$[0].a"),
        Line(">", "", "  {", "$[2]"),
        Line(">", "", '    "a": 3', "$[2].a"),
        Line(">", "", "  }", "$[2]"),
    ]


def test_what_is_equal_and_far_away_is_shortened() -> None:
    rows = b",".join(b'{"n":%d}' % number for number in range(500))
    lines = compare_lines(Answer(200, JSON, b"[%b]" % rows), Answer(200, JSON, b"[%b,1]" % rows))
    assert len(lines) < 12
    assert Line("=", "…", "…") in lines


def test_bodies_that_are_no_json_are_compared_by_line() -> None:
    lines = compare_lines(Answer(200, (), b"a,b\n1,2\n"), Answer(200, (), b"a,b\n1,\xff\n"))
    assert lines[-1] == Line("|", "1,2", "1,\\xff")
    assert {line.mark for line in compare_lines(Answer(200), Answer(200))} == {"="}


def test_what_stands_at_one_path_stands_beside_each_other() -> None:
    upstream = Answer(200, ((b"Date", b"now"), (b"X-Odd", b"1")), b'{"a":1,"b":2,"c":3}')
    engine = Answer(200, ((b"X-Odd", b"2"),), b'{"a":9,"x":0,"c":4}')
    marked = [line for line in compare_lines(upstream, engine) if line.mark != "="]
    assert [(line.mark, line.path) for line in marked] == [
        *(("<", "Date"), ("|", "X-Odd"), ("|", "$.a")),
        *(("<", "$.b"), (">", "$.x"), ("|", "$.c")),
    ]
