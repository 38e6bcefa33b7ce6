"""The dashboards: what the code makes is what is committed, and every panel keeps the rules of the house."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.dashboards import JSON
from tests.dashboards.expressions import load_dashboards

generate = pytest.importorskip("dashboards.generate", reason="Grafana's SDK comes with understudy[dev]")
reference = pytest.importorskip("dashboards.reference")

DASHBOARDS = load_dashboards()
UNITS = {"s", "short", "reqps", "percentunit", "bytes"}


def panels() -> Iterator[Any]:
    """Every panel, with the name of its dashboard."""
    for name, dashboard in DASHBOARDS.items():
        for panel in dashboard["panels"]:
            if panel["type"] != "row":
                yield pytest.param(panel, id=f"{name}: {panel['title']}")


def test_what_the_code_makes_is_what_is_committed() -> None:
    made = generate.generate()
    committed = {file.name: file.read_text(encoding="utf-8") for file in JSON.iterdir()}
    assert committed.keys() == made.keys()
    for name, text in made.items():
        assert committed[name] == text, f"{name} is not what the code makes: run `make docs`"


def test_the_page_of_metrics_is_what_the_code_makes() -> None:
    made = reference.render(generate.generate())
    assert generate.METRICS.read_text(encoding="utf-8") == made, "run `make docs`"


def test_the_page_of_metrics_has_labels_words_and_where_each_is_used() -> None:
    for line in reference.render(generate.generate()).removeprefix(reference.HEAD).splitlines():
        name, kind, _, text, where = line.strip("| ").split(" | ")
        assert name.startswith("`understudy_")
        assert kind in ("counter", "gauge", "histogram")
        assert text.endswith(".")
        assert where, name


@pytest.mark.parametrize("panel", [*panels()])
class TestEveryPanel:
    def test_says_what_it_shows(self, panel: dict[str, Any]) -> None:
        assert panel["title"]
        assert panel["description"].endswith(".")

    def test_takes_its_data_from_where_the_variable_says(self, panel: dict[str, Any]) -> None:
        source = {"type": "prometheus", "uid": "${datasource}"}
        assert panel["datasource"] == source
        assert all(target["datasource"] == source for target in panel["targets"])

    def test_has_a_name_of_its_own_for_each_query(self, panel: dict[str, Any]) -> None:
        names = [target["refId"] for target in panel["targets"]]
        assert names
        assert all(names)
        assert len(set(names)) == len(names)

    def test_selects_by_job_and_instance_everywhere(self, panel: dict[str, Any]) -> None:
        for target in panel["targets"]:
            selectors = re.findall(r"(?:understudy|process)_\w+(\{[^}]*\})?", target["expr"])
            assert selectors
            assert all('job=~"$job",instance=~"$instance"' in selector for selector in selectors)

    def test_takes_rates_over_an_interval_that_fits_how_often_is_scraped(self, panel: dict[str, Any]) -> None:
        for target in panel["targets"]:
            windows = set(re.findall(r"\[([^]]+)\]", target["expr"]))
            allowed = {"$__rate_interval"} if target["range"] else {"$__range", "5m"}
            assert windows <= allowed

    def test_has_a_unit(self, panel: dict[str, Any]) -> None:
        if panel["type"] in ("timeseries", "stat") and panel["options"].get("textMode") != "name":
            assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        if panel["type"] == "table":
            for override in panel["fieldConfig"]["overrides"]:
                units = [one["value"] for one in override["properties"] if one["id"] == "unit"]
                assert override["matcher"]["options"] == "table" or units[0] in UNITS


@pytest.mark.parametrize("dashboard", DASHBOARDS.values(), ids=DASHBOARDS.keys())
class TestEveryDashboard:
    def test_lets_one_choose_source_job_instance_and_table(self, dashboard: dict[str, Any]) -> None:
        variables = {one["name"]: one for one in dashboard["templating"]["list"]}
        assert list(variables) == ["datasource", "job", "instance", "table"]
        for name in ("job", "instance", "table"):
            assert (variables[name]["multi"], variables[name]["allValue"]) == (True, ".+")
            assert variables[name]["refresh"] == 2

    def test_leads_to_the_others_with_what_is_chosen(self, dashboard: dict[str, Any]) -> None:
        (link,) = dashboard["links"]
        assert (link["type"], link["tags"]) == ("dashboards", dashboard["tags"])
        assert (link["includeVars"], link["keepTime"]) == (True, True)

    def test_marks_mode_changes_and_rollbacks(self, dashboard: dict[str, Any]) -> None:
        names = [one["name"] for one in dashboard["annotations"]["list"]]
        assert names == ["Mode changes", "Rollbacks"]

    def test_fits_the_grid_without_overlap(self, dashboard: dict[str, Any]) -> None:
        taken: set[tuple[int, int]] = set()
        for panel in dashboard["panels"]:
            place = panel["gridPos"]
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert max(x for x, _ in cells) < 24
            assert not cells & taken, panel["title"]
            taken |= cells

    def test_shows_what_matters_on_the_first_screen_of_a_laptop(self, dashboard: dict[str, Any]) -> None:
        # A laptop shows some twenty lines of the grid.
        assert any(
            panel["type"] != "stat" and 0 < panel["gridPos"]["y"] < 12 for panel in dashboard["panels"][1:]
        )

    def test_numbers_its_panels(self, dashboard: dict[str, Any]) -> None:
        numbers = [panel["id"] for panel in dashboard["panels"]]
        assert len(set(numbers)) == len(numbers)


def test_each_dashboard_has_an_address_of_its_own_and_tables_lead_to_them() -> None:
    uids = {dashboard["uid"] for dashboard in DASHBOARDS.values()}
    assert uids == {f"understudy-{name}" for name in DASHBOARDS}
    linked = set(re.findall(r"/d/([\w-]+)\?", str(DASHBOARDS)))
    assert linked
    assert linked <= uids
