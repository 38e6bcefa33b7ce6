"""The chart: what Helm makes of it is valid, safe, and does what its README and docs/deploy.md say."""

import base64
import copy
import json
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

import proxy
from proxy.config.reader import read_config
from tests.deploy import HINT, ROOT
from tests.deploy.chart import CHART, EVERYTHING, RELEASE, Object, change, find, helm, render

schemas = pytest.importorskip("kubernetes_validate", reason=f"the schemas of Kubernetes {HINT}")
jsonschema = pytest.importorskip("jsonschema", reason=f"the validator of the schemas {HINT}")

VERSIONS = ("1.25", schemas.latest_version())
OPERATOR_SCHEMAS = Path(__file__).parent / "schemas"
SELECTOR = {"app.kubernetes.io/name": "understudy", "app.kubernetes.io/instance": RELEASE}


def pods(objects: list[Object]) -> list[Object]:
    """The specifications of all pods among ``objects``, those of a Deployment's template too."""
    return [
        one["spec"] if one["kind"] == "Pod" else one["spec"]["template"]["spec"]
        for one in objects
        if one["kind"] in ("Pod", "Deployment")
    ]


def rendered_config(objects: list[Object]) -> str:
    text: str = find(objects, "ConfigMap")["data"]["understudy.yaml"]
    return text


class TestWhatHelmMakesOfIt:
    def test_the_linter_of_helm_finds_no_fault(self) -> None:
        told = helm.lint(str(CHART))
        assert not told["errors"]
        assert not [one for one in told["messages"] if one["severity"] > 1], told

    @pytest.mark.parametrize("version", VERSIONS)
    @pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["least", "everything"])
    def test_every_object_is_valid(self, values: Mapping[str, Any], version: str) -> None:
        for one in render(values):
            own = OPERATOR_SCHEMAS / f"{one['kind']}.json"
            if own.exists():
                jsonschema.validate(one, json.loads(own.read_text(encoding="utf-8")))
            else:
                schemas.validate(one, version, strict=True)

    def test_every_kind_is_among_everything(self) -> None:
        assert {one["kind"] for one in render(EVERYTHING)} == {
            *("ConfigMap", "Deployment", "HorizontalPodAutoscaler", "NetworkPolicy", "Pod"),
            *("PodDisruptionBudget", "PrometheusRule", "Secret", "Service", "ServiceAccount"),
            "ServiceMonitor",
        }

    def test_no_two_objects_have_one_name(self) -> None:
        names = [(one["kind"], one["metadata"]["name"]) for one in render(EVERYTHING)]
        assert len(names) == len(set(names))

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            ("replica", 1),
            ("image.pullPolicy", "Sometimes"),
            ("image.digest", "latest"),
            ("postgrest.env", {"HOME": "x"}),
            ("config.listen", "0.0.0.0:80"),
            ("config.upstream.url", "postgrest:3000"),
            ("config.console.operators", [{"name": "ops", "secret": "written-into-a-ConfigMap"}]),
            ("upstreamService.create", True),
            ("takeOver.port", 0),
        ],
    )
    def test_values_that_make_no_sense_are_refused(self, path: str, value: object) -> None:
        with pytest.raises(helm.HelmValuesError):
            render(change({}, path, value))

    def test_its_package_has_the_rules_and_dashboards_in_it(self, tmp_path: Path) -> None:
        with tarfile.open(helm.package(str(CHART), destination=str(tmp_path))) as archive:
            names = {name.removeprefix("understudy/") for name in archive.getnames()}
        wanted = {f"dashboards/{file.name}" for file in (ROOT / "dashboards" / "json").iterdir()}
        assert {"Chart.yaml", "values.schema.json", "rules/understudy.rules.yml", *wanted} <= names
        assert not [name for name in names if name.startswith("rules/tests")]

    def test_it_is_of_the_version_of_the_package(self) -> None:
        told = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
        assert told["appVersion"] == proxy.__version__

    def test_every_value_is_in_the_schema_and_every_key_of_the_schema_in_the_values(self) -> None:
        values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
        schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
        assert set(values) == set(schema["properties"]) - {"global"}
        for name, value in values.items():
            known = schema["properties"][name]
            if known.get("additionalProperties") is False and name != "resources":
                assert set(value) == set(known["properties"]), name


class TestPods:
    def test_have_no_rights_and_a_root_file_system_that_is_read_only(self) -> None:
        for pod in pods(render(EVERYTHING)):
            assert pod["securityContext"]["runAsNonRoot"] is True
            assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
            assert pod["automountServiceAccountToken"] is False
            assert pod["enableServiceLinks"] is False
            for container in pod["containers"]:
                assert container["securityContext"] == {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                }

    def test_are_asked_how_they_are_at_the_admin_port(self) -> None:
        (container,) = find(render(), "Deployment")["spec"]["template"]["spec"]["containers"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert ports == {"http": 3000, "admin": 3001}
        assert container["livenessProbe"]["httpGet"] == {"path": "/live", "port": "admin"}
        assert container["readinessProbe"]["httpGet"] == {"path": "/ready", "port": "admin"}

    def test_may_take_longer_to_end_than_the_proxy_gives_requests(self) -> None:
        values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
        assert values["terminationGracePeriodSeconds"] > values["drainSeconds"] + 30

    def test_get_the_variables_of_postgrest_as_they_were_written(self) -> None:
        objects = render(EVERYTHING)
        (container,) = find(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
        assert container["envFrom"] == [
            {"secretRef": {"name": "postgrest"}},
            {"secretRef": {"name": RELEASE}},
        ]
        assert {"name": "PGRST_DB_MAX_ROWS", "value": "1000000"} in container["env"]
        assert {"name": "PGRST_DB_PLAN_ENABLED", "value": "true"} in container["env"]
        secret = find(objects, "Secret")["data"]
        assert base64.b64decode(secret["PGPORT"]) == b"5432"
        assert base64.b64decode(secret["PGRST_DB_URI"]) == b"postgresql://authenticator:secret@db/app"

    def test_have_no_secret_made_for_them_if_there_is_none(self) -> None:
        assert "Secret" not in {one["kind"] for one in render()}


class TestTheConfiguration:
    CHANGES = (
        ("config.tables", {"shelf": {"reads": "engine"}, "odd name": {"sample": 2.5}}),
        ("config.shadow", {"queue": 1_000_000, "queue_bytes": "64MiB"}),
        ("config.defaults", {"reads": "upstream", "writes": "upstream"}),
    )

    @pytest.mark.parametrize(("path", "value"), CHANGES)
    def test_is_valid_to_the_proxy(self, path: str, value: object) -> None:
        text = rendered_config(render(change({}, path, value)))
        config = read_config(text.encode(), "understudy.yaml", {}).config
        assert config.listen.port == 3000
        assert (config.admin.host, config.admin.port) == ("0.0.0.0", 3001)
        assert config.upstream is not None
        assert config.upstream.url == "http://postgrest-upstream:3000"

    def test_stands_whatever_postgrests_own_variables_say_of_ports(self) -> None:
        environ = {"PGRST_SERVER_PORT": "80", "PGRST_SERVER_HOST": "!4", "PGRST_ADMIN_SERVER_PORT": "81"}
        config = read_config(rendered_config(render()).encode(), "understudy.yaml", environ).config
        assert (config.listen.port, config.admin.port) == (3000, 3001)

    def test_can_leave_postgrest_out(self) -> None:
        text = rendered_config(render({"config": {"upstream": None, "defaults": None}}))
        assert read_config(text.encode(), "understudy.yaml", {}).config.upstream is None

    @pytest.mark.parametrize(
        ("path", "value", "restarts"),
        [
            ("config.tables", {"shelf": {"reads": "engine"}}, False),
            ("config.defaults.sample", 5, False),
            ("config.upstream.timeout", "5s", False),
            ("config.upstream", None, False),
            ("config.engine", {"db-pool": 20}, True),
            ("postgrest.env", {"PGRST_DB_POOL": "20"}, True),
        ],
    )
    def test_restarts_pods_only_for_what_is_read_at_the_start(
        self, path: str, value: object, restarts: bool
    ) -> None:
        before, after = (
            find(render(values), "Deployment")["spec"]["template"]["metadata"]["annotations"]
            for values in ({}, change({}, path, value))
        )
        assert (before != after) is restarts


class TestTakingOver:
    def test_gives_the_proxy_postgrests_name_and_port_and_postgrest_another_name(self) -> None:
        objects = render(EVERYTHING)
        taken = find(objects, "Service", "postgrest")
        assert taken["spec"]["selector"] == SELECTOR
        assert taken["spec"]["ports"] == [{"name": "http", "port": 3000, "targetPort": "http"}]
        upstream = find(objects, "Service", "postgrest-upstream")
        assert upstream["spec"]["selector"] == {"app": "postgrest"}

    def test_never_removes_the_service_that_clients_know(self) -> None:
        taken = find(render(EVERYTHING), "Service", "postgrest")
        assert taken["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"

    @pytest.mark.parametrize("host", ["postgrest", "postgrest.app", "postgrest.app.svc.cluster.local"])
    def test_is_refused_while_the_proxy_would_ask_itself(self, host: str) -> None:
        values = change(EVERYTHING, "config.upstream.url", f"http://{host}:3000")
        with pytest.raises(helm.HelmError, match="it would ask itself"):
            render(values)

    def test_is_not_refused_for_a_service_of_that_name_elsewhere(self) -> None:
        render(change(EVERYTHING, "config.upstream.url", "http://postgrest.other:3000"))


class TestTheGuide:
    GUIDE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")

    def test_has_values_that_can_be_installed_one_after_the_other(self) -> None:
        blocks = re.findall(r"```yaml\n(.*?)```", self.GUIDE.partition("## Docker Compose")[0], re.DOTALL)
        values: dict[str, Any] = {}
        for block in blocks:
            values |= yaml.safe_load(block)
            config = {"upstream": {"url": "http://postgrest-upstream:3000"}, **values.get("config", {})}
            text = rendered_config(render({**values, "config": config}))
            read_config(text.encode(), "understudy.yaml", {})
        assert len(blocks) == 3

    def test_switches_the_service_to_the_pods_of_the_chart_and_back(self) -> None:
        switch, rollback = map(json.loads, re.findall(r"--patch '(\[.*?\])'", self.GUIDE, re.DOTALL))
        before: Object = {
            "spec": {"selector": {"app": "postgrest"}, "ports": [{"port": 3000, "targetPort": 3000}]}
        }
        after = patched(before, switch)
        taken = find(render(EVERYTHING), "Service", "postgrest")
        assert after["spec"]["selector"] == taken["spec"]["selector"]
        assert after["spec"]["ports"][0]["targetPort"] == taken["spec"]["ports"][0]["targetPort"]
        assert patched(after, rollback) == before

    def test_names_no_value_command_or_alert_that_is_not_there(self) -> None:
        values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
        for group, name in re.findall(r"`(takeOver|config|upstreamService)\.(\w+)", self.GUIDE):
            assert name in values[group]
        rules = (ROOT / "dashboards" / "rules" / "understudy.rules.yml").read_text(encoding="utf-8")
        for alert in re.findall(r"`(Understudy\w+)`", self.GUIDE):
            assert f"alert: {alert}\n" in rules


def patched(one: Object, patch: list[dict[str, Any]]) -> Object:
    """``one`` after a JSON patch (RFC 6902) that replaces what is there."""
    changed = copy.deepcopy(one)
    for step in patch:
        assert step["op"] == "replace"
        *parents, last = [int(part) if part.isdigit() else part for part in step["path"].split("/")[1:]]
        place: Any = changed
        for parent in parents:
            place = place[parent]
        assert place[last] is not None
        place[last] = step["value"]
    return changed


class TestMonitoring:
    def test_every_selector_finds_the_pods_and_the_admin_port_only(self) -> None:
        objects = render(EVERYTHING)
        labels = find(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
        for kind in ("PodDisruptionBudget", "Deployment"):
            assert find(objects, kind)["spec"]["selector"]["matchLabels"].items() <= labels.items()
        wanted = find(objects, "ServiceMonitor")["spec"]["selector"]["matchLabels"].items()
        services = [one for one in objects if one["kind"] == "Service"]
        found = [one["metadata"]["name"] for one in services if wanted <= one["metadata"]["labels"].items()]
        assert found == [f"{RELEASE}-admin"]

    def test_the_rules_and_dashboards_are_those_of_the_repository(self) -> None:
        objects = render(EVERYTHING)
        rules = yaml.safe_load((ROOT / "dashboards/rules/understudy.rules.yml").read_text(encoding="utf-8"))
        assert find(objects, "PrometheusRule")["spec"] == rules
        for file in (ROOT / "dashboards" / "json").glob("*.json"):
            data = find(objects, "ConfigMap", f"{RELEASE}-{file.stem}")["data"]
            assert json.loads(data[f"understudy-{file.name}"]) == json.loads(file.read_text(encoding="utf-8"))

    def test_alerts_name_the_runbook_where_it_was_said_to_be(self) -> None:
        values = change(EVERYTHING, "prometheusRule.runbooks", "https://wiki.example.org/understudy/")
        for group in find(render(values), "PrometheusRule")["spec"]["groups"]:
            for rule in group["rules"]:
                if "alert" in rule:
                    url = rule["annotations"]["runbook_url"]
                    assert url == f"https://wiki.example.org/understudy/runbook.md#{rule['alert'].lower()}"

    def test_nobody_but_operators_reaches_the_admin_port(self) -> None:
        rules = find(render(EVERYTHING), "NetworkPolicy")["spec"]["ingress"]
        peers = {rule["ports"][0]["port"]: rule["from"] for rule in rules}
        assert peers["http"] == EVERYTHING["networkPolicy"]["clients"]
        (operators,) = peers["admin"]
        assert operators["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "monitoring"}

    def test_nobody_reaches_the_admin_port_if_no_operators_are_named(self) -> None:
        rules = find(render(change(EVERYTHING, "networkPolicy.operators", [])), "NetworkPolicy")["spec"]
        assert [rule["ports"][0]["port"] for rule in rules["ingress"]] == ["http"]
