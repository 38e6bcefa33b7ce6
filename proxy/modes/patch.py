"""How to make a change that cannot be made from here: as a patch for those who can."""

import difflib
import json
import shlex
from pathlib import Path

from proxy.modes.file import NotChangeable

CONFIG_MAP = "UNDERSTUDY_CONFIGMAP"
"""The environment variable that says what the ConfigMap is called that the file comes from."""

_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")

_WHY = {
    "configmap": "it comes from a Kubernetes ConfigMap, which is mounted read-only",
    "mount": "it is mounted read-only, or by itself",
    "rights": "this user may not write there",
}


def explain_patch(refused: NotChangeable, name: str, config_map: str | None, namespace: str | None) -> str:
    """What to apply where: a unified diff, and for a ConfigMap the command that patches it.

    ``name`` is the file's, in a ConfigMap also its key. ``config_map`` and ``namespace`` are left open for
    the reader where they are not known.
    """
    before, after = refused.change.before.decode(), refused.change.after.decode()
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), f"a/{name}", f"b/{name}"
    )
    diff = "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )
    text = f"{name} cannot be changed here: {_WHY[refused.obstacle]}. Apply this where it is kept:\n\n{diff}"
    if refused.obstacle == "configmap":
        command = render_kubectl(name, after, config_map, namespace)
        text += f"\nor at once, until it is deployed anew:\n\n{command}"
    return text


def render_kubectl(key: str, content: str, config_map: str | None, namespace: str | None) -> str:
    """The command that puts ``content`` under ``key`` of a ConfigMap."""
    patch = json.dumps({"data": {key: content}}, ensure_ascii=False)
    where = f" --namespace {shlex.quote(namespace)}" if namespace else ""
    named = shlex.quote(config_map) if config_map else "CONFIGMAP"
    return f"kubectl patch configmap {named}{where} --type merge --patch {shlex.quote(patch)}\n"


def find_namespace() -> str | None:
    """The Kubernetes namespace of this process; None outside of one."""
    try:
        return _NAMESPACE.read_text(encoding="utf-8").strip()
    except OSError:
        return None
