"""A hold is known to all replicas, whichever database the ledger is in; how soon is for ``make cutover``."""

from pathlib import Path

import pytest

from tests.cutover.replicas import spread_hold, two_replicas
from tests.cutover.stage import depot_database, upstream_on


@pytest.mark.parametrize("kind", ["a file", "postgresql"])
def test_what_one_process_holds_the_other_holds_and_so_is_it_re_armed(tmp_path: Path, kind: str) -> None:
    with depot_database() as url, upstream_on(url, tmp_path) as upstream:
        ledger = url if kind == "postgresql" else f"sqlite:///{tmp_path}/ledger.db"
        with two_replicas(url, upstream, tmp_path, ledger) as (one, other):
            spread = spread_hold(url, one, other)
    assert spread.held >= 0.0
