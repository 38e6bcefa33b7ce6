"""The matrix in short: a few rows of it, and what the table itself has to be. See ``make chaos``."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.cells import BROKEN, CELLS, HOWS, MODES, NONSENSE, Broken, How, may, only
from tests.chaos.report import make_document
from tests.chaos.scene import find_cells, is_counted, judge, play
from tests.chaos.stage import Place, set_place

SHORT: tuple[tuple[Broken, How], ...] = (
    ("upstream", "reset"),
    ("database", "gone and back"),
    ("ledger", "gone and back"),
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with set_place(tmp_path_factory.mktemp("chaos")) as found:
        yield found


@pytest.mark.parametrize(("broken", "how"), SHORT)
async def test_what_clients_see_and_what_is_counted_is_as_it_should_be(
    place: Place, broken: Broken, how: How
) -> None:
    found = await play(place, broken, how, SHORT.index((broken, how)))
    assert len(found) == len(MODES)
    assert {one.cell.mode: one.faults for one in found} == dict.fromkeys(MODES, ())


def test_no_cell_is_missing_and_none_is_left_out_without_a_reason() -> None:
    assert len(CELLS) == len(BROKEN) * len(HOWS) * len(MODES)
    for broken in BROKEN:
        for how in HOWS:
            cells = find_cells(broken, how)
            assert cells.keys() == set(MODES)
            reason = NONSENSE.get((broken, how), "")
            assert {cell.nonsense for cell in cells.values()} == {reason}


def test_what_was_seen_is_judged_in_both_directions() -> None:
    assert judge("reads", only("right"), Counter(right=3)) == []
    assert judge("reads", only("right"), Counter({"right": 3, "503": 1})) == ["reads: 503 was seen"]
    assert judge("writes", may("right", "503", must=("503",)), Counter(right=3)) == [
        "writes: 503 was not seen"
    ]


def test_one_of_several_counters_is_enough() -> None:
    assert is_counted("failed|deadline", Counter(deadline=1))
    assert not is_counted("failed|deadline", Counter(failed=0, other=1))


def test_the_page_of_the_documentation_is_up_to_date() -> None:
    page = Path(__file__).parents[2] / "docs" / "chaos.md"
    assert page.read_text(encoding="utf-8") == make_document(), "run make docs"
