"""``understudy demo``, as ``make demo`` runs it, with fewer reads than it sends by itself."""

import re

from tests.e2e import programs
from tests.support.database import ConformanceDatabase

READS = 500


def test_the_whole_story_ends_well(conformance_database: ConformanceDatabase) -> None:
    settings = {"DATABASE_URL": conformance_database.url, "COLUMNS": "160"}
    ended = programs.run_to_end(["demo", "--reads", str(READS)], settings)
    told = ended.stdout
    assert ended.stderr == ""
    accounts = re.search(r"(\d+) reads of (\d+) tables and functions, (\d+) accounted for", told)
    assert accounts is not None, told
    reads, tables, settled = map(int, accounts.groups())
    assert reads == settled == READS
    assert tables >= 8
    answered = re.findall(r"(shadow|engine|back): +the (upstream|engine) answered \d+ bytes", told)
    assert answered == [("shadow", "upstream"), ("engine", "engine"), ("back", "upstream")], told
    assert "the three answers are equal, byte for byte" in told
    assert ended.returncode == 0, told
