"""Which relation or function of the schema cache a request is aimed at, and how metrics call it.

Two rules, one for each direction:

- **Label**: a name of the default schema (the first exposed one) stands alone, any other is written
  ``schema.name``; functions carry the prefix ``rpc/``. A plain label that could be read as something
  else (``other``, or with a dot or a slash in it) is written with its schema. So a label depends on
  nothing but the name itself, and does not change when another schema gains a table of that name.
- **Key** in the configuration: ``schema.name`` says exactly which; ``name`` alone means the default
  schema's, or else the only exposed one that has it.
"""

from collections.abc import Container
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import unquote_to_bytes

from proxy.config import Config, Rule
from proxy.messages import Request
from proxy.shadow.names import Names, QualifiedName

OTHER = "other"
"""The label of every request whose target is not in the schema cache, the root included."""

CONTENT_PROFILE_METHODS = frozenset({"POST", "PATCH", "PUT", "DELETE"})

Segments: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Subject:
    """A relation, or a function, that is in the schema cache."""

    schema: str
    name: str
    function: bool = False


def read_path(path: bytes) -> Segments:
    """The decoded segments of a raw path; none for the root.

    Source: reference 0.4. A trailing slash makes an empty last segment, ``+`` is not a space.
    """
    bare = path[1:] if path.startswith(b"/") else path
    if not bare:
        return ()
    return tuple(_decode(segment) for segment in bare.split(b"/"))


def find_schema(request: Request, schemas: tuple[str, ...]) -> str | None:
    """The exposed schema that the profile header chooses; None when it names none of ``schemas``.

    Source: reference 8.2.
    """
    name = b"content-profile" if request.method in CONTENT_PROFILE_METHODS else b"accept-profile"
    profile = request.header(name)
    if profile is None:
        return schemas[0] if schemas else None
    schema = profile.decode("utf-8", "replace")
    return schema if schema in schemas else None


def find_subject(request: Request, names: Names, root_function: str | None = None) -> Subject | None:
    """What ``request`` is aimed at, or None when that is the root or not in the schema cache.

    ``root_function`` is the option ``db-root-spec``; its schema part means nothing (reference 0.4).
    """
    schema = find_schema(request, names.schemas)
    if schema is None:
        return None
    match read_path(request.path):
        case ():
            subject = Subject(schema, _without_schema(root_function or ""), function=True)
        case (name,):
            subject = Subject(schema, name)
        case ("rpc", name):
            subject = Subject(schema, name, function=True)
        case _:
            return None
    return subject if (subject.schema, subject.name) in _known(subject, names) else None


def label_subject(subject: Subject | None, names: Names) -> str:
    """The metric label of ``subject``: see the rule at the top of this module."""
    if subject is None:
        return OTHER
    plain = subject.schema == names.schemas[0] and not (
        subject.name == OTHER or "." in subject.name or "/" in subject.name
    )
    label = subject.name if plain else f"{subject.schema}.{subject.name}"
    return f"rpc/{label}" if subject.function else label


def list_subjects(names: Names) -> tuple[Subject, ...]:
    """Everything in the schema cache: relations before functions, in the order of the schemas."""
    position = {schema: index for index, schema in enumerate(names.schemas)}

    def place(subject: Subject) -> tuple[bool, int, str]:
        return subject.function, position[subject.schema], subject.name

    relations = [Subject(*name) for name in names.relations if name[0] in position]
    functions = [Subject(*name, function=True) for name in names.functions if name[0] in position]
    return tuple(sorted([*relations, *functions], key=place))


def find_rule(subject: Subject | None, config: Config, names: Names) -> Rule:
    """The rule in force for ``subject``: its own, or the defaults."""
    if subject is None:
        return config.defaults
    rules = config.functions if subject.function else config.tables
    exact = rules.get(f"{subject.schema}.{subject.name}")
    if exact is not None:
        return exact
    plain = rules.get(subject.name)
    return plain if plain is not None and _means_plainly(subject, names) else config.defaults


def is_meant(key: str | None, subject: Subject, names: Names) -> bool:
    """Whether ``key`` of the configuration means ``subject``."""
    if key == subject.name:
        return _means_plainly(subject, names)
    return key == f"{subject.schema}.{subject.name}"


def _means_plainly(subject: Subject, names: Names) -> bool:
    """Whether the bare name in the configuration means this subject."""
    if subject.schema == names.schemas[0]:
        return True
    known = _known(subject, names)
    return not any((schema, subject.name) in known for schema in names.schemas if schema != subject.schema)


def _known(subject: Subject, names: Names) -> Container[QualifiedName]:
    return names.functions if subject.function else names.relations


def _decode(segment: bytes) -> str:
    return (unquote_to_bytes(segment) if b"%" in segment else segment).decode("utf-8", "replace")


def _without_schema(name: str) -> str:
    schema, dot, rest = name.partition(".")
    return rest if dot else schema
