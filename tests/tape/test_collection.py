"""Directories of tapes: versions, variants, and which exchanges are wanted."""

import json
from pathlib import Path

import pytest

from proxy.messages import Answer
from proxy.tape.collection import find_variants, load, read_variants, select, tape_files
from proxy.tape.format import RecordedExchange, RecordedRequest, Tape, TapeError, TapeHeader, write_tape
from tests.support.conformance import CONFORMANCE, TAPES, login_role, recorded, variant_options


def exchange(name: str, status: int = 200, area: str = "a", accident: bool = False) -> RecordedExchange:
    return RecordedExchange(
        name, area, "default", RecordedRequest("GET", b"/"), Answer(status), accident=accident
    )


def test_the_conformance_tapes_load_completely() -> None:
    assert len(load(TAPES, "14.17")) == 6138
    assert len(load(TAPES / "postgrest-14.17")) == 6138
    assert len(load(TAPES / "postgrest-13.0.8")) == 72
    assert len(recorded()) == 5942


@pytest.mark.parametrize(("version", "different"), [("13.0.8", 72), ("12.2.12", 2151)])
def test_an_older_version_is_completed_from_the_one_it_differs_from(version: str, different: int) -> None:
    newest, older = load(TAPES, "14.17"), load(TAPES, version)
    assert [exchange.id for exchange in older] == [exchange.id for exchange in newest]
    changed = [new.id for new, old in zip(newest, older, strict=True) if new.answer != old.answer]
    assert len(changed) == different


def test_a_version_may_be_asked_of_its_own_directory() -> None:
    assert load(TAPES / "postgrest-13.0.8", "13.0.8") == load(TAPES, "13.0.8")


def test_a_version_that_was_not_recorded_is_refused(tmp_path: Path) -> None:
    write_tape(tmp_path / "a.jsonl", Tape(TapeHeader("a", "14.17", "16"), ()))
    with pytest.raises(TapeError, match="no tapes of version 9"):
        load(tmp_path, "9")


def test_tapes_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b", "a"):
        write_tape(tmp_path / f"{name}.jsonl", Tape(TapeHeader(name, "14.17", "16"), (exchange(name),)))
    (tmp_path / "notes.txt").touch()
    assert [file.name for file in tape_files(tmp_path)] == ["a.jsonl", "b.jsonl"]
    assert [exchange.id for exchange in load(tmp_path)] == ["a", "b"]
    assert [exchange.id for exchange in load(tmp_path / "b.jsonl")] == ["b"]


def test_a_place_without_tapes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TapeError, match="no tapes"):
        load(tmp_path)
    with pytest.raises(TapeError, match="no such file"):
        load(tmp_path / "nowhere")


def test_exchanges_are_chosen_by_variant_area_id_and_accident() -> None:
    tape = [exchange("a-1"), exchange("a-2", accident=True), exchange("b-1", area="b")]

    def chosen(**wanted: object) -> list[str]:
        return [found.id for found in select(tape, **wanted)]  # type: ignore[arg-type]

    assert chosen() == ["a-1", "a-2", "b-1"]
    assert chosen(variant="limited") == []
    assert chosen(areas=["b"]) == ["b-1"]
    assert chosen(ids=["a-*"]) == ["a-1", "a-2"]
    assert chosen(ids=["a-1", "b-1"]) == ["a-1", "b-1"]
    assert chosen(skip_accidents=True) == ["a-1", "b-1"]


def test_the_description_of_variants_is_found_from_the_tapes(tmp_path: Path) -> None:
    expected = CONFORMANCE / "variants.json"
    assert find_variants(TAPES) == expected
    assert find_variants(TAPES / "postgrest-14.17") == expected
    assert find_variants(TAPES / "postgrest-14.17" / "select.jsonl") == expected
    assert find_variants(tmp_path) is None


def test_variants_carry_settings_login_role_and_options() -> None:
    variants = read_variants(CONFORMANCE / "variants.json")
    assert variants.settings.host == b"archive.observatory.example"
    assert len(variants.variants) == 13
    assert variant_options("limited")["PGRST_DB_MAX_ROWS"] == "10"
    assert "PGRST_DB_URI" not in variant_options()
    assert login_role("indbconfig") == "dlm_authenticator_cfg"


@pytest.mark.parametrize("content", ["{", "{}", "[]", json.dumps({"jwt": {"header": {}}})])
def test_another_document_is_not_taken_for_variants(tmp_path: Path, content: str) -> None:
    file = tmp_path / "variants.json"
    file.write_text(content)
    with pytest.raises(TapeError, match=r"variants\.json: not a description"):
        read_variants(file)


def test_a_missing_description_is_a_tape_error(tmp_path: Path) -> None:
    with pytest.raises(TapeError, match="No such file"):
        read_variants(tmp_path / "variants.json")
