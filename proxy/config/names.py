"""Which table or function a key of the file means, given what the schema cache knows."""

from collections.abc import Iterable, Mapping, Set
from typing import TypeAlias

from proxy.config.document import quoted
from proxy.config.reader import ConfigFile, did_you_mean
from proxy.errors import Problem

QualifiedName: TypeAlias = tuple[str, str]


def find_names(key: str, names: Iterable[QualifiedName]) -> tuple[QualifiedName, ...]:
    """The names that ``key`` can mean, as ``schema.name`` or as ``name`` alone.

    One means found; none, that it does not exist; several, that it is ambiguous. Schemas and names may
    hold dots, so the key is compared with whole names and never split.
    """
    return tuple(name for name in sorted(names) if key in (name[1], ".".join(name)))


def check_names(
    file: ConfigFile,
    relations: Set[QualifiedName],
    functions: Set[QualifiedName],
    columns: Mapping[QualifiedName, Set[str]],
) -> tuple[Problem, ...]:
    """The tables and functions of ``file`` that do not exist, are ambiguous or stand there twice.

    And the columns to hide that are none: such a rule would hide nothing. ``columns`` are by relation.
    """
    return (
        *_check_section(file, "tables", file.config.tables, relations),
        *_check_section(file, "functions", file.config.functions, functions),
        *_check_rules(file, relations, functions),
        *_check_columns(file, columns),
    )


def _check_columns(file: ConfigFile, columns: Mapping[QualifiedName, Set[str]]) -> Iterable[Problem]:
    if not file.config.redact.columns:
        return
    known = {
        name
        for (schema, relation), names in columns.items()
        for column in names
        for name in (f"{relation}.{column}", f"{schema}.{relation}.{column}")
    }
    for key in file.config.redact.columns:
        if key not in known:
            place = file.place("redact", "columns")
            yield place.problem(f"{quoted(key)}, which is no column", did_you_mean(key, sorted(known)))


def _check_rules(
    file: ConfigFile, relations: Set[QualifiedName], functions: Set[QualifiedName]
) -> Iterable[Problem]:
    """The rules of ``compare.ignore`` that are about nothing that exists."""
    for number, rule in enumerate(file.config.compare.ignore, 1):
        key, names = (rule.function or "", functions) if rule.table is None else (rule.table, relations)
        matches = find_names(key, names)
        if len(matches) != 1:
            place = file.place("compare", "ignore", str(number))
            found = f"{key!r}, which is {'in more than one schema' if matches else 'not in the schema cache'}"
            known = map(".".join, matches) if matches else sorted({name for _, name in names})
            yield place.problem(found, did_you_mean(key, known))


def _check_section(
    file: ConfigFile, section: str, keys: Iterable[str], names: Set[QualifiedName]
) -> Iterable[Problem]:
    seen: dict[QualifiedName, str] = {}
    for key in keys:
        place = file.place(section, key)
        matches = find_names(key, names)
        if not matches:
            known = sorted({name for _, name in names})
            yield place.problem("a name that is not in the schema cache", did_you_mean(key, known))
        elif len(matches) > 1:
            yield place.problem("a name in more than one schema", ", ".join(map(".".join, matches)))
        elif matches[0] in seen:
            yield place.problem(
                f"the same {section.removesuffix('s')} as {seen[matches[0]]!r}", "one of the two"
            )
        else:
            seen[matches[0]] = key
