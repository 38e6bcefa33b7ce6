"""Commands are killed while they change the file, and the proxy too: in short, see ``make cutover``."""

from pathlib import Path
from random import Random

from tests.cutover.kills import play_kills
from tests.cutover.stage import depot_database, upstream_on


def test_whoever_is_killed_the_file_is_whole_and_the_modes_are_its_less_the_holds(tmp_path: Path) -> None:
    with depot_database() as url, upstream_on(url, tmp_path) as upstream:
        findings = play_kills(url, upstream, tmp_path, kills=4, restart_every=4, dice=Random(6))
    assert findings.faults == []
    assert findings.seen["killed"] > 0
    assert findings.seen["proxy killed too"] == 1
