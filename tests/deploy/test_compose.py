"""The stage for docker compose: valid by the specification, and its parts fit together."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.config.reader import read_config
from proxy.config.substitution import substitute
from tests.deploy import DEPLOY, HINT, ROOT

COMPOSE = DEPLOY / "compose"
OURS = ("understudy", "traffic")


@pytest.fixture(scope="module")
def stage() -> dict[str, Any]:
    """The file as compose reads it: variables replaced by their defaults, merges done."""
    text = (COMPOSE / "compose.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(substitute(text, {}))
    return loaded


def test_the_file_is_as_the_specification_wants_it(stage: dict[str, Any]) -> None:
    compose_spec = pytest.importorskip("compose_spec", reason=f"the compose specification {HINT}")
    compose_spec.PyCompose.from_json(json.dumps(stage)).validate()


def test_docker_compose_itself_finds_no_fault() -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True).returncode:
        pytest.skip("docker has no plugin compose here")
    told = subprocess.run(
        [docker, "compose", "--file", str(COMPOSE / "compose.yaml"), "config", "--quiet"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr


def test_every_image_has_a_version(stage: dict[str, Any]) -> None:
    images = {name: service["image"] for name, service in stage["services"].items() if name not in OURS}
    assert all(":" in image and not image.endswith(":latest") for image in images.values()), images


def test_what_is_mounted_from_the_repository_is_there(stage: dict[str, Any]) -> None:
    sources = {
        volume.split(":")[0]
        for service in stage["services"].values()
        for volume in service.get("volumes", ())
    }
    for source in sources:
        if source.startswith("."):
            assert (COMPOSE / source).is_dir(), source
        else:
            assert source in stage["volumes"]


def test_ports_are_open_on_this_machine_only(stage: dict[str, Any]) -> None:
    ports = [port for service in stage["services"].values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports), ports


def test_the_proxy_and_postgrest_have_the_same_settings(stage: dict[str, Any]) -> None:
    services = stage["services"]
    given = dict(services["understudy"]["environment"])
    del given["OPERATOR_SECRET"]
    assert given == services["postgrest"]["environment"]


def test_our_own_containers_have_no_rights(stage: dict[str, Any]) -> None:
    for name in OURS:
        service = stage["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_the_configuration_is_valid_and_names_the_services(stage: dict[str, Any]) -> None:
    environ = stage["services"]["understudy"]["environment"]
    config = read_config((COMPOSE / "understudy/understudy.yaml").read_bytes(), "it", environ).config
    assert config.upstream is not None
    assert config.upstream.url == "http://postgrest:3000"
    assert config.engine.db_schemas == ("depot",)
    assert (config.listen.port, config.admin.port) == (3000, 3001)
    assert [operator.name for operator in config.console.operators] == ["operator"]


def test_prometheus_asks_the_admin_port_and_reads_the_rules_where_they_are_mounted() -> None:
    told = yaml.safe_load((COMPOSE / "prometheus/prometheus.yml").read_text(encoding="utf-8"))
    (job,) = told["scrape_configs"]
    assert job["static_configs"] == [{"targets": ["understudy:3001"]}]
    assert told["rule_files"] == ["rules/*.rules.yml"]
    assert list((ROOT / "dashboards" / "rules").glob("*.rules.yml"))


def test_grafana_knows_prometheus_and_where_the_dashboards_are(stage: dict[str, Any]) -> None:
    provisioning = COMPOSE / "grafana" / "provisioning"
    source = yaml.safe_load((provisioning / "datasources/prometheus.yaml").read_text(encoding="utf-8"))
    assert source["datasources"][0]["url"] == "http://prometheus:9090"
    provider = yaml.safe_load((provisioning / "dashboards/understudy.yaml").read_text(encoding="utf-8"))
    path = provider["providers"][0]["options"]["path"]
    grafana = stage["services"]["grafana"]
    assert f"../../dashboards/json:{path}:ro" in grafana["volumes"]
    home = Path(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert home.parent == Path(path)
    assert (ROOT / "dashboards" / "json" / home.name).exists()


def test_scripts_of_the_database_can_be_run() -> None:
    for script in (COMPOSE / "postgres").glob("*.sh"):
        assert os.access(script, os.X_OK), script
