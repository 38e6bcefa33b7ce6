"""``read_config``: the text of an ``understudy.yaml`` to a ``Config``, or every problem in it."""

import dataclasses
import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

import yaml

from proxy.config.document import (
    Place,
    Scalar,
    compose,
    decode_text,
    describe_node,
    is_nothing,
    key_part,
    line_of,
    read_mapping,
    read_scalar,
)
from proxy.config.engine import (
    ReadFile,
    Setting,
    Settings,
    canonical,
    make_engine_config,
    read_environment,
)
from proxy.config.keys import SECTIONS, TOP_KEYS
from proxy.config.kinds import (
    Key,
)
from proxy.config.options import APP_SETTINGS, NAMES
from proxy.config.places import (
    show_address,
)
from proxy.config.section import Section
from proxy.config.values import Config, EngineConfig, Rule
from proxy.errors import ConfigError, Problem

Entry: TypeAlias = tuple[Place, yaml.Node]

APP_SETTINGS_NAME = APP_SETTINGS + "NAME"
_NEEDS_UPSTREAM = frozenset(
    {
        *(("reads", "upstream"), ("reads", "shadow"), ("reads", "canary")),
        *(("writes", "upstream"), ("writes", "rehearse")),
    }
)
_WILDCARDS = frozenset({"0.0.0.0", "::"})


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A ``Config`` with the lines of its keys, by path: ``("tables", "storage")``."""

    name: str
    config: Config
    lines: Mapping[tuple[str, ...], int]

    def place(self, *path: str) -> Place:
        """Where the key at ``path`` stands."""
        return Place(self.name, self.lines.get(path, 0), path)


def read_config(
    content: str | bytes, file: str, environ: Mapping[str, str], read_file: ReadFile | None = None
) -> ConfigFile:
    """The configuration that ``content`` holds; ``file`` is its name in problems.

    ``environ`` serves ``${VAR}`` and, by ``PGRST_*``, the gaps in ``engine:``; ``read_file`` serves
    ``@file`` in ``db-uri`` and ``jwt-secret``. Raises ``ConfigError`` with all problems at once.
    """
    text = decode_text(content, file) if isinstance(content, bytes) else content
    reader = _Reader(environ, read_file)
    config = reader.read(compose(text, file), Place(file, 1))
    if reader.problems:
        raise ConfigError(sorted(reader.problems, key=lambda problem: problem.line))
    return ConfigFile(file, config, MappingProxyType(reader.lines))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``known`` as a text, with the closest ones first named when there are any."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=2)
    listed = ", ".join(names[:60]) + (", ..." if len(names) > 60 else "")
    return (listed or "none") + (f" (did you mean {' or '.join(close)}?)" if close else "")


class _Reader:
    """One pass over one document; collects what is wrong and where everything stands."""

    def __init__(self, environ: Mapping[str, str], read_file: ReadFile | None) -> None:
        self.problems: list[Problem] = []
        self.lines: dict[tuple[str, ...], int] = {}
        self._environ = environ
        self._read_file = read_file

    def read(self, node: yaml.Node, place: Place) -> Config:
        """The configuration of the whole document; without meaning when there are ``problems``."""
        known = [key.name for key in TOP_KEYS] + [section.name for section in SECTIONS]
        entries = self._entries(node, place, known, {})
        sound = not self.problems
        values = self._values(entries, TOP_KEYS)
        base = Rule() if "upstream" in entries else Rule(reads="engine", writes="engine")
        for section in SECTIONS:
            entry = entries.get(section.name)
            if section.name == "engine":
                values["engine"] = self._engine(section, entry)
            elif entry is None:
                values |= {"defaults": base} if section.name == "defaults" else {}
            elif section.named:
                values[section.name] = self._named(section, *entry, values["defaults"])
            elif section.name == "defaults":
                values["defaults"] = self._section(section, *entry, base)
            else:
                values[section.name] = self._section(section, *entry)
        if sound and "upstream" not in entries:
            self._check_rules_without_upstream(entries)
        config = Config(**values)
        self._check_addresses(config, place)
        return config

    def _entries(
        self, node: yaml.Node, place: Place, known: Sequence[str], refused: Mapping[str, str]
    ) -> dict[str, Entry]:
        """The entries with a known key; the others are problems."""
        entries = read_mapping(node, place, ", ".join(known), self.problems)
        found: dict[str, Entry] = {}
        for name, entry in entries.items():
            if name in known or (APP_SETTINGS_NAME in known and _is_app_setting(name)):
                found[name] = entry
                self.lines[entry[0].path] = entry[0].line
                continue
            at = place.inside(key_part(name), entry[0].line)
            reason = refused.get(name) or (
                "an unknown key" if at.path[-1] == name else "no space after the colon"
            )
            self.problems.append(at.problem(reason, did_you_mean(at.path[-1], known)))
        return found

    def _values(self, entries: Mapping[str, Entry], keys: Iterable[Key]) -> dict[str, Any]:
        """The values of ``keys`` that are present and right, by field."""
        values = {}
        for key in keys:
            if key.name not in entries:
                continue
            place, node = entries[key.name]
            scalar = self._scalar(key, place, node)
            if scalar is None:
                continue
            try:
                values[key.field] = key.kind.read(scalar.text)
            except ValueError:
                found = "a value that is not shown" if key.kind.secret else scalar.shown
                self.problems.append(place.problem(found, key.kind.allowed))
        return values

    def _scalar(self, key: Key, place: Place, node: yaml.Node) -> Scalar | None:
        """The text of one key's value, or None after saying what is wrong with it."""
        if key.kind.read is NAMES.read and isinstance(node, yaml.SequenceNode):
            return self._list(node, place, key.kind.allowed)
        return read_scalar(node, place, key.kind.allowed, self._environ, self.problems)

    def _section(self, section: Section, place: Place, node: yaml.Node, base: Rule | None = None) -> Any:
        """The values of a section, on top of ``base`` if there is one; None if a required one is missing."""
        known = [*(key.name for key in section.keys), *(part.name for part in section.lists)]
        entries = self._entries(node, place, known, section.refused)
        values = self._values(entries, section.keys)
        for part in section.lists:
            if part.name in entries:
                values[part.name] = self._items(part, *entries[part.name])
        for pair in section.one_of:
            self._check_pair(pair, entries, place)
        if base is not None:
            return dataclasses.replace(base, **values)
        for key in section.keys:
            if is_required(section.values, key) and key.field not in values:
                if key.name not in entries:
                    self.problems.append(
                        place.inside(key.name, place.line).problem("nothing", key.kind.allowed)
                    )
                return None
        return section.values(**values)

    def _items(self, section: Section, place: Place, node: yaml.Node) -> tuple[Any, ...]:
        """The values of each mapping in a list."""
        if is_nothing(node):
            return ()
        if not isinstance(node, yaml.SequenceNode):
            self.problems.append(place.problem(describe_node(node), "a list"))
            return ()
        places = [
            Place(place.file, line_of(item), (*place.path, str(number)))
            for number, item in enumerate(node.value, 1)
        ]
        self.lines |= {at.path: at.line for at in places}
        return tuple(self._section(section, at, item) for at, item in zip(places, node.value, strict=True))

    def _check_pair(self, pair: tuple[str, str], entries: Mapping[str, Entry], place: Place) -> None:
        present = [name for name in pair if name in entries]
        if len(present) != 1:
            found = f"both {' and '.join(pair)}" if present else f"neither {' nor '.join(pair)}"
            self.problems.append(place.problem(found, "one of the two"))

    def _named(self, section: Section, place: Place, node: yaml.Node, defaults: Rule) -> Mapping[str, Rule]:
        """The rule of each table or function."""
        entries = read_mapping(node, place, f"the names of {section.name}", self.problems)
        self.lines |= {entry[0].path: entry[0].line for entry in entries.values()}
        return MappingProxyType(
            {name: self._section(section, *entry, defaults) for name, entry in entries.items()}
        )

    def _engine(self, section: Section, entry: Entry | None) -> EngineConfig:
        """The engine's options: the file's, then the environment's."""
        given = {} if entry is None else self._options(section, *entry)
        environment = canonical(read_environment(self._environ, section.keys))
        try:
            return make_engine_config({**environment, **canonical(given)}, self._read_file)
        except ConfigError as error:
            self.problems.extend(error.problems)
            return EngineConfig()

    def _options(self, section: Section, place: Place, node: yaml.Node) -> Settings:
        """The texts of the options in the file."""
        options = {name: key for key in section.keys for name in (key.alias, key.name) if name}
        entries = self._entries(node, place, [*options, APP_SETTINGS_NAME], section.refused)
        settings = {}
        for name, (at, value) in entries.items():
            key = options.get(name)
            if key is not None and name == key.alias and key.name in entries:
                self.problems.append(
                    at.problem(f"another name of {key.name}, which is here too", "one of the two")
                )
                continue
            if key is None:
                scalar = read_scalar(value, at, "a text", self._environ, self.problems)
            else:
                scalar = self._scalar(key, at, value)
            if scalar is not None:
                settings[name] = Setting(scalar.text, at, scalar.shown)
        return settings

    def _list(self, node: yaml.SequenceNode, place: Place, allowed: str) -> Scalar | None:
        """A YAML list of names, as the text with commas that PostgREST has for it."""
        items = [read_scalar(item, place, allowed, self._environ, self.problems) for item in node.value]
        if None in items:
            return None
        texts = [item.text for item in items if item is not None]
        if any("," in text or not text.strip() for text in texts):
            self.problems.append(place.problem("a list with a comma or nothing in an item", allowed))
            return None
        return Scalar(",".join(texts), "a list")

    def _check_rules_without_upstream(self, entries: Mapping[str, Entry]) -> None:
        """Refuse what asks for an upstream that is not there, by the lines that ask for it."""
        rules = [entries[name] for name in ("defaults",) if name in entries]
        for name in ("tables", "functions"):
            if name in entries:
                rules += read_mapping(entries[name][1], entries[name][0], "", []).values()
        for place, node in rules:
            for name, (at, value) in read_mapping(node, place, "", []).items():
                scalar = read_scalar(value, at, "", self._environ, [])
                if scalar is not None and (name, scalar.text) in _NEEDS_UPSTREAM:
                    found = f"{scalar.shown} without an upstream"
                    self.problems.append(at.problem(found, "engine"))

    def _check_addresses(self, config: Config, place: Place) -> None:
        """Refuse that operators and clients share a port: the admin server must never be theirs."""
        listen, admin = config.listen, config.admin
        meet = listen.host == admin.host or not _WILDCARDS.isdisjoint((listen.host, admin.host))
        if meet and listen.port == admin.port != 0:
            at = place.inside("admin", self.lines.get(("admin",), self.lines.get(("listen",), place.line)))
            self.problems.append(at.problem(f"{show_address(admin)}, the port of `listen`", "another port"))


def is_required(values: type[Any], key: Key) -> bool:
    """Whether ``key`` has to stand in its section: its field of ``values`` has no default."""
    field = next(field for field in dataclasses.fields(values) if field.name == key.field)
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _is_app_setting(name: str) -> bool:
    return name.startswith(APP_SETTINGS) and name != APP_SETTINGS
