"""Pages from what is known."""

from dataclasses import replace

from proxy.operate.health import Condition, LastReload
from proxy.operate.history import EMPTY, Moment
from proxy.shadow.guard import Hold
from proxy.web.gather import list_problems, make_line, make_mismatch, make_readiness, make_table, make_tables
from tests.web.samples import LIMITS, NOW, change, config, judgement, mismatch, modes

FINE = Condition(True, True, True, True)
NO_READS = (EMPTY,)


def report(_: str) -> tuple[Moment, ...]:
    return NO_READS


def test_what_needs_somebody_stands_first_and_the_rest_by_name() -> None:
    hold = Hold("z", NOW, "errors", "5 engine errors")
    judged = {
        "b": judgement("b", mismatches=0),
        "a": judgement("a", mismatches=0),
        "m": judgement("m"),
        "z": judgement("z"),
    }
    page = make_tables([modes(name) for name in "abmz"], {"z": hold}, judged, report, LIMITS)
    assert [(line.table, line.standing) for line in page.lines] == [
        *(("z", "held"), ("m", "not ready")),
        *(("a", "insufficient evidence"), ("b", "insufficient evidence")),
    ]


def test_tables_of_which_nothing_is_known_are_named_by_their_mode() -> None:
    nothing = replace(judgement("q").readiness, last_seen=None, open_signatures=0)
    judged = {"q": replace(judgement("q"), readiness=nothing)}
    many = [modes("q"), modes("p"), modes("u", "upstream"), modes("e", "engine", 1.0)]
    page = make_tables(many, {}, judged, report, LIMITS)
    assert [(line.table, line.standing) for line in page.lines] == [("e", "unknown")]
    assert page.idle == {"shadow": ("p", "q"), "upstream": ("u",)}


def test_a_table_that_is_asked_for_is_no_idle_one() -> None:
    page = make_tables([modes("q")], {}, {}, lambda _: (EMPTY, Moment(upstream=1)), LIMITS)
    assert [line.table for line in page.lines] == ["q"]


def test_problems_are_told_in_words() -> None:
    assert list_problems(FINE, None, {"state": "up"}, paused=False, stopped=False) == ()
    told = list_problems(
        Condition(False, False, True, True),
        LastReload(NOW, False, "f:3: a misspelt key", ("listen",)),
        {"state": "down", "problem": "disk is full"},
        paused=True,
        stopped=True,
    )
    assert told == (
        "the upstream cannot be reached",
        "no schema cache is loaded: the upstream answers for the engine",
        "the newest configuration was refused: f:3: a misspelt key",
        "waiting for a restart: listen",
        "the ledger is down: disk is full",
        "mirroring is paused: nothing is compared until somebody resumes it",
    )
    (stopped,) = list_problems(FINE, None, {"state": "up"}, paused=False, stopped=True)
    assert stopped == "mirroring has stopped by itself, to spare the database"


def test_a_table_has_its_own_traffic_and_changes() -> None:
    line = make_line(modes("a"), None, None, ())
    evidence = {
        "tables": [
            {"table": "b", "traffic": {"reads": {"engine": 9}}},
            {"table": "a", "traffic": {"reads": {}}},
        ],
        "mode_changes": [change("b"), change("a")],
    }
    page = make_table(line, config(), evidence, ())
    assert page.traffic == {"reads": {}}
    assert [one["table"] for one in page.changes] == ["a"]
    assert page.rule == config().defaults
    assert make_table(line, config(), {}, ()).traffic == {}


def test_what_speaks_against_a_table_comes_before_what_is_only_missing() -> None:
    judged = {"a": judgement("a", mismatches=0), "b": judgement("b")}
    page = make_readiness(judged, config())
    assert [one.readiness.table for one in page.tables] == ["b", "a"]


def test_each_difference_leads_to_the_line_that_shows_it() -> None:
    page = make_mismatch(mismatch("a"), "http://up", "$ADMIN/engine")
    (shown,) = page.examples
    lines = [shown.lines[anchor] for anchor in shown.anchors if anchor is not None]
    assert [line.path for line in lines] == ["X-Odd", "$[0].b"]
    assert all(line.mark == "|" for line in lines)
    # The date is one side's alone, and nobody compares it.
    assert [shown.lines[index].path for index in shown.pale] == ["Date"]


def test_a_difference_of_a_whole_row_leads_to_something_in_it() -> None:
    found = mismatch("a")
    found["examples"][0]["differences"] = [
        {"aspect": "body", "path": "$[0]", "upstream": "x", "engine": "y", "kind": "missing"},
        {"aspect": "status", "path": "", "upstream": "200", "engine": "404", "kind": "value"},
        {"aspect": "body", "path": "$[9]", "upstream": "x", "engine": "y", "kind": "missing"},
    ]
    (shown,) = make_mismatch(found, "http://up", "$ADMIN/engine").examples
    row, status, nowhere = shown.anchors
    assert row is not None
    assert shown.lines[row].path == "$[0].b"
    assert (status, nowhere) == (0, None)


def test_both_sides_can_be_asked_again_from_a_shell_without_the_hidden_token() -> None:
    page = make_mismatch(mismatch("a"), "http://up", "$ADMIN/engine")
    for curl in (page.mismatch["smallest"]["curl"], page.examples[0].example["curl"]):
        assert "http://up/x?" in curl["upstream"]
        assert '"$ADMIN/engine"' in curl["engine"]
        assert "$TOKEN" in curl["engine"]
    assert "examples" not in page.mismatch
