"""``python -m tests.supply.licences FILE``: write the list of the licences of what the runtime is made of."""

import sys
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

from tests.supply import read_lock

PERMITTED = frozenset(
    {"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "MIT", "MIT-0", "MPL-2.0", "PSF-2.0", "Python-2.0", "ISC"}
)
"""Licences under which the whole may be given on as BSD-3-Clause, with the notices that its parts ask for."""

_NAMED = {
    "Apache 2": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "MIT License": "MIT",
    "BSD": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "Python Software Foundation License": "PSF-2.0",
}
_PREFIX = "License :: OSI Approved :: "


def find_licence(package: str) -> str:
    """The licence that the installed ``package`` names, as an SPDX expression."""
    found: Any = metadata(package)
    if expression := found.get("License-Expression"):
        return str(expression)
    names = [
        line.removeprefix(_PREFIX) for line in found.get_all("Classifier", []) if line.startswith(_PREFIX)
    ]
    name = str(names[0] if names else (found.get("License") or "").split("\n")[0])
    return _NAMED.get(name, name)


def is_permitted(expression: str) -> bool:
    """Whether every part of the expression that is not an alternative is permitted."""
    alternatives = expression.replace("(", " ").replace(")", " ").split(" OR ")
    return any(
        all(part.strip() in PERMITTED for part in alternative.split(" AND ")) for alternative in alternatives
    )


def list_licences() -> list[str]:
    """A line for each package of ``requirements/runtime.txt`` on this platform."""
    pins = [pin for pin in read_lock("runtime").values() if pin.needed]
    return [f"| {pin.name} | {pin.version} | {find_licence(pin.name)} |" for pin in pins]


HEAD = """# Licences

Understudy itself is BSD-3-Clause. At run time it is made of these packages, at the versions and hashes of
`requirements/runtime.txt`. `make lock` writes this list, `make sbom` the bill of materials.

| package | version | licence |
|---|---|---|
"""


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(HEAD + "\n".join(list_licences()) + "\n", encoding="utf-8")
