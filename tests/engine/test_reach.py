"""What requests reach, what of that a rollback does not undo, and what no transaction binds."""

from types import MappingProxyType
from typing import Any

import pytest

from proxy.engine.reach import Reach, ReachedRelation, Routine, Trigger, find_actors, find_hazards

T = ("s", "t")
EVERY: frozenset[Any] = frozenset({"insert", "update", "delete"})


def routine(body: str, language: str = "plpgsql", trusted: bool = True, **more: Any) -> Routine:
    return Routine("s", more.pop("name", "f"), language, trusted, body, **more)


def judge(*routines: Routine, relation: ReachedRelation | None = None, **others: ReachedRelation) -> str:
    """The reasons why ``s.t`` must not be rehearsed; the first of ``routines`` is its trigger."""
    triggers = (Trigger(1, True, EVERY),) if routines else ()
    relations = {("s", name): other for name, other in others.items()}
    relations[T] = relation or ReachedRelation(triggers=triggers)
    reach = Reach(MappingProxyType(relations), MappingProxyType(dict(enumerate(routines, start=1))))
    return "; ".join(find_hazards(reach)[0][T])


@pytest.mark.parametrize(
    "body",
    [
        "BEGIN NEW.at := now(); RETURN NEW; END",
        "BEGIN PERFORM pg_notify('changed', NEW.id::text); RETURN NEW; END",
        "BEGIN PERFORM nextval('s.q'), pg_advisory_xact_lock(1), set_config('a.b', 'c', false); END",
        "BEGIN INSERT INTO log VALUES (1) ON CONFLICT DO NOTHING; END",
        "BEGIN RAISE 'could not execute copy to dblink(%)', 1; END",
        "BEGIN -- dblink('x')\n /* execute */ RETURN NEW; END",
        "BEGIN NEW.copy := 'from'; NEW.execute_at := now(); END",
        "BEGIN NEW.label := $q$ execute dblink(x) $q$; NEW.other := E'\\' execute dblink('; END",
        "BEGIN NEW.a := 'it''s dblink('; NEW.setval := 1; END",
    ],
)
def test_what_a_rollback_undoes_is_no_hazard(body: str) -> None:
    assert judge(routine(body)) == ""


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ("BEGIN PERFORM dblink('host=a', 'delete from t'); END", "dblink"),
        ("BEGIN PERFORM public.DBLINK_exec ('a', 'b'); END", "dblink_exec"),
        ("BEGIN PERFORM \"dblink\"('a'); END", "dblink"),
        ("BEGIN PERFORM net.http_post('http://a'); END", "http_post"),
        ("BEGIN PERFORM lo_export(1, 'a'); END", "lo_export"),
        ("BEGIN PERFORM pg_read_file('a'); END", "pg_read_file"),
        ("BEGIN PERFORM pg_file_write('a', 'b', true); END", "pg_file_write"),
        ("BEGIN PERFORM pg_background_launch('a'); END", "pg_background_launch"),
        ("BEGIN PERFORM pg_advisory_lock(1); END", "pg_advisory_lock"),
        ("BEGIN PERFORM pg_try_advisory_lock_shared(1); END", "pg_try_advisory_lock_shared"),
        ("BEGIN PERFORM pg_advisory_unlock_all(); END", "pg_advisory_unlock_all"),
        ("BEGIN PERFORM setval('s.q', 5); END", "setval"),
        ("BEGIN PERFORM pg_terminate_backend(1); END", "pg_terminate_backend"),
        ("BEGIN PERFORM pg_logical_emit_message(false, 'a', 'b'); END", "pg_logical_emit_message"),
        ("BEGIN PERFORM query_to_xml('select dblink(1)', true, true, ''); END", "query_to_xml"),
        ("BEGIN EXECUTE format('select %s', x); END", "makes itself"),
        ("BEGIN eXeCuTe x; END", "makes itself"),
        ("BEGIN DO $$ select 1 $$; END", "makes itself"),
        ("BEGIN COPY log TO PROGRAM 'sh'; END", "file or program"),
        ("BEGIN COPY log\nFROM '/a'; END", "file or program"),
    ],
)
def test_what_outlives_a_rollback_is_a_hazard(body: str, word: str) -> None:
    assert word in judge(routine(body))
    assert judge(routine(body)).startswith("s.f ")


@pytest.mark.parametrize(
    ("language", "trusted", "reason"),
    [
        ("plpython3u", False, "s.f is written in the untrusted language plpython3u"),
        ("c", False, "s.f is written in the untrusted language c"),
        ("internal", False, "s.f is written in the untrusted language internal"),
        ("plperl", True, "s.f is written in plperl, which is not looked into"),
    ],
)
def test_what_is_not_read_is_a_hazard(language: str, trusted: bool, reason: str) -> None:
    assert judge(routine("x", language, trusted)) == reason


def test_extensions_that_only_compute_are_none_and_others_are() -> None:
    assert judge(routine("uuid_generate_v4", "c", False, extension="uuid-ossp")) == ""
    assert "untrusted" in judge(routine("http", "c", False, extension="http"))


def test_a_trigger_is_judged_by_what_it_calls_however_far_down() -> None:
    bad = routine("select dblink('a')", "sql", name="far")
    assert "s.far calls dblink" in judge(
        routine("BEGIN PERFORM middle(1); END"), routine("select far()", "sql", name="middle"), bad
    )
    assert judge(routine("BEGIN NEW.far := 1; END"), bad) == "", "a name that is not called"
    assert "s.far" in judge(routine('BEGIN PERFORM s."far" (1); END'), bad)


def test_functions_that_call_each_other_in_a_circle_come_to_an_end() -> None:
    assert judge(routine("select g()", "sql"), routine("select f()", "sql", name="g")) == ""


def test_a_table_is_judged_by_its_parts_its_base_and_what_changes_with_it() -> None:
    bad = ReachedRelation(texts=("dblink('a')",))
    for way in ("shares", "cascades"):
        first = ReachedRelation(**{way: frozenset({("s", "other")})})  # type: ignore[arg-type]
        assert "s.other calls dblink" in judge(relation=first, other=bad)
    assert judge(relation=ReachedRelation(), other=bad) == ""


def test_a_trigger_is_judged_by_the_tables_it_names() -> None:
    outside = ReachedRelation(foreign=True)
    assert judge(routine("BEGIN INSERT INTO remote SELECT 1; END"), remote=outside) == (
        "s.remote is a foreign table"
    )


@pytest.mark.parametrize("text", ["dblink('a')", "CHECK (pg_read_file('a') = label)", "s.f(1)"])
def test_a_table_is_judged_by_its_defaults_checks_and_rules(text: str) -> None:
    relation = ReachedRelation(texts=(text,))
    assert judge(routine("x", "c", False), relation=relation) != ""
    assert judge(relation=ReachedRelation(texts=("now()", "nextval('s.q'::regclass)"))) == ""


def test_functions_are_judged_by_all_of_their_overloads() -> None:
    reach = Reach(
        routines=MappingProxyType(
            {
                1: routine("select 1", "sql"),
                2: routine("x", "c", False),
                3: routine("select 1", "sql", name="g"),
            }
        )
    )
    _, functions = find_hazards(reach)
    assert functions["s", "f"] == ("s.f is written in the untrusted language c",)
    assert functions["s", "g"] == ()


def test_the_function_before_every_request_is_part_of_every_write() -> None:
    reach = Reach(
        MappingProxyType({T: ReachedRelation()}),
        MappingProxyType({1: routine("x", "c", False, name="check_it"), 2: routine("select 1", "sql")}),
    )
    for option in ("check_it", "s.check_it"):
        relations, functions = find_hazards(reach, option)
        assert relations[T] == functions["s", "f"] == ("s.check_it is written in the untrusted language c",)
    assert find_hazards(reach, "other.check_it")[0][T] == ()


def test_nothing_is_said_of_what_is_not_known() -> None:
    assert find_hazards(Reach()) == ({}, {})


def acts(*routines: Routine, option: str | None = None, **relations: ReachedRelation) -> set[str]:
    """What may act outside of the database when it is read."""
    reach = Reach(
        MappingProxyType({("s", name): relation for name, relation in relations.items()}),
        MappingProxyType(dict(enumerate(routines, start=1))),
    )
    return {name for found in find_actors(reach, option) for _, name in found}


@pytest.mark.parametrize(
    ("body", "language", "trusted"),
    [
        ("select dblink_exec('host=a', 'delete from t')", "sql", True),
        ("BEGIN PERFORM net.http_post('http://a'); END", "plpgsql", True),
        ("BEGIN COPY (SELECT 1) TO PROGRAM 'sh'; END", "plpgsql", True),
        ("BEGIN PERFORM pg_terminate_backend(1); END", "plpgsql", True),
        ("import smtplib", "plpython3u", False),
    ],
)
def test_a_read_acts_outside_through_what_it_calls(body: str, language: str, trusted: bool) -> None:
    outer = routine("select s.f()", "sql", name="outer")
    view = ReachedRelation(texts=("SELECT s.outer() AS n",))
    shown = ReachedRelation(shares=frozenset({("s", "view")}))
    found = acts(routine(body, language, trusted), outer, view=view, shown=shown, other=ReachedRelation())
    assert found == {"f", "outer", "view", "shown"}


@pytest.mark.parametrize(
    ("body", "language", "trusted"),
    [
        ("BEGIN PERFORM setval('s.q', 5), pg_advisory_lock(1), pg_read_file('a'); END", "plpgsql", True),
        ("BEGIN EXECUTE format('select %s', x); END", "plpgsql", True),
        ("return 1", "plv8", True),
        ("ST_Area", "c", False),
        ("select 'dblink('", "sql", True),
    ],
)
def test_what_only_may_write_or_cannot_be_read_is_mirrored(body: str, language: str, trusted: bool) -> None:
    """READ ONLY refuses the one; most of the other only computes, and comparing it is what it is for."""
    assert acts(routine(body, language, trusted)) == set()


def test_a_compiled_function_acts_outside_by_its_name() -> None:
    assert acts(routine("dblink", "c", False, name="dblink"), routine("x", "c", False)) == {"dblink"}
    mine = routine("select 1", "sql", name="http_status")
    assert acts(mine, view=ReachedRelation(texts=("SELECT http_status(1)",))) == set()
    theirs = routine("http_get", "c", False, name="http_get")
    assert acts(theirs, view=ReachedRelation(texts=("SELECT http_get('a')",))) == {"http_get", "view"}
    mine = routine("select 1", "sql", name="pg_terminate_backend")
    assert acts(mine, view=ReachedRelation(texts=("SELECT pg_terminate_backend(1)",))) == {"view"}


def test_what_only_writes_fire_acts_in_no_read() -> None:
    table = ReachedRelation(triggers=(Trigger(1, True, EVERY),))
    below = ReachedRelation(cascades=frozenset({("s", "table")}))
    assert acts(routine("BEGIN PERFORM http_get('a'); END"), table=table, below=below) == {"f"}


def test_the_function_before_every_request_is_part_of_every_read() -> None:
    checked = routine("import socket", "plpython3u", False, name="check_it")
    assert acts(checked, option="s.check_it", plain=ReachedRelation()) == {"check_it", "plain"}
