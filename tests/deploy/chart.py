"""The chart, rendered by Helm's own engine into objects."""

import copy
from collections.abc import Mapping
from typing import Any, TypeAlias

import pytest
import yaml

from tests.deploy import DEPLOY, HINT

helm = pytest.importorskip("helm_python", reason=f"Helm's engine {HINT}")

CHART = DEPLOY / "helm" / "understudy"
NAMESPACE = "app"
RELEASE = "understudy"

Object: TypeAlias = dict[str, Any]
"""One Kubernetes object."""

EVERYTHING: Mapping[str, Any] = {
    "image": {"digest": "sha256:" + "0" * 64},
    "imagePullSecrets": [{"name": "registry"}],
    "postgrest": {
        "envFrom": [{"secretRef": {"name": "postgrest"}}],
        "env": {"PGRST_DB_MAX_ROWS": 1_000_000, "PGRST_DB_PLAN_ENABLED": True, "PGRST_DB_SCHEMAS": "api"},
        "secret": {"PGRST_DB_URI": "postgresql://authenticator:secret@db/app", "PGPORT": 5432},
    },
    "upstreamService": {"create": True, "selector": {"app": "postgrest"}, "targetPort": "http"},
    "takeOver": {"enabled": True},
    "autoscaling": {"enabled": True},
    "networkPolicy": {
        "enabled": True,
        "clients": [{"podSelector": {"matchLabels": {"postgrest-client": "true"}}}],
        "extraEgress": [{"ports": [{"port": 6432, "protocol": "TCP"}]}],
    },
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
    "dashboards": {"enabled": True},
    "serviceAccount": {"annotations": {"owner": "team"}},
    "podLabels": {"team": "data"},
    "podAnnotations": {"note": "none"},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "priorityClassName": "high",
    "extraEnv": [{"name": "TZ", "value": "UTC"}],
    "extraVolumes": [{"name": "secrets", "secret": {"secretName": "jwt"}}],
    "extraVolumeMounts": [{"name": "secrets", "mountPath": "/etc/secrets"}],
}
"""Values with which every branch of every template is taken."""


def render(values: Mapping[str, Any] | None = None) -> list[Object]:
    """The objects that an installation with ``values`` would create. Raises ``helm.HelmError``."""
    with helm.Chart.load(CHART) as chart:
        files = chart.render(dict(values or {}), name=RELEASE, namespace=NAMESPACE)
    return [
        found
        for path, text in files.items()
        if path.endswith(".yaml")
        for found in yaml.safe_load_all(text)
        if found
    ]


def find(objects: list[Object], kind: str, name: str = RELEASE) -> Object:
    """The only one of ``objects`` of this kind and name."""
    (found,) = (one for one in objects if one["kind"] == kind and one["metadata"]["name"] == name)
    return found


def change(values: Mapping[str, Any], path: str, value: object) -> dict[str, Any]:
    """``values`` with another one at ``path``, such as ``takeOver.enabled``."""
    changed = copy.deepcopy(dict(values))
    *parents, last = path.split(".")
    place = changed
    for parent in parents:
        place = place.setdefault(parent, {})
    place[last] = value
    return changed
