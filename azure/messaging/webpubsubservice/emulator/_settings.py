"""Event handler settings as people write them: in Python, as ``HUB=URL``, and in a settings file.

Text and plain values in, :class:`EventHandler` values by hub out. The file has the form of the official emulator's
``appsettings.json``: nested objects or keys joined by colons, in any letter case, comments and trailing commas allowed.
Every error names where the value came from, the key, and what to write instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .hub._names import is_hub
from .webhooks._event_handlers import SYSTEM_EVENTS, EventHandler

__all__ = [
    "DEFAULT_HUB",
    "Handlers",
    "Settings",
    "SettingsError",
    "join_event_handlers",
    "parse_event_handler",
    "read_event_handlers",
]

#: Stands for every hub without settings of its own.
DEFAULT_HUB = "_default"

Handlers = dict[str, tuple[EventHandler, ...]]

MAX_FILE_SIZE = 1024 * 1024
_MAX_NESTING = 32
_KEYWORDS = ("url_template", "app", "handler", "system_events", "user_event_pattern")
_HUB_RULE = "a letter, then at most 127 letters, digits or _`,.[]"


class SettingsError(ValueError):
    """A setting is wrong; the text says where, which, and what to write instead."""


def read_event_handlers(value: Any) -> Handlers:
    """Return the handlers of each hub that a program gave.

    :param value: A mapping of hub to one handler or a list of them. A handler is an ``EventHandler``, a mapping of its
        keywords (``url_template``, ``app`` or ``handler``, ``system_events``, ``user_event_pattern``), a URL template
        or an object with ``handle`` (they get all events), or a function (it gets the user events). None for no
        handlers.
    :raises SettingsError: if it is of another form.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise SettingsError(f"'event_handlers' must be a mapping of hub to handlers, not {type(value).__name__}")
    found: Handlers = {}
    for hub, entry in value.items():
        where = f"event_handlers[{hub!r}]"
        entries = entry if isinstance(entry, Sequence) and not isinstance(entry, str) else [entry]
        _add(found, where, hub, (_handler(f"{where}[{index}]", item) for index, item in enumerate(entries)))
    return found


def join_event_handlers(first: Handlers, then: Handlers) -> Handlers:
    """Return the handlers of both, hub by hub; those of ``first`` are asked first."""
    return {hub: (*first.get(hub, ()), *then.get(hub, ())) for hub in (*first, *then)}


def parse_event_handler(text: str) -> Handlers:
    """Return the handler that ``HUB=URL`` stands for; it gets all events of the hub.

    :param str text: Such as ``chat=http://localhost:3000/eventhandler``; without a hub, it is for all hubs.
    :raises SettingsError: if it is of another form.
    """
    where = f"event handler {text.partition('?')[0]!r}"
    hub, found, url = text.partition("=")
    if not found or "/" in hub:
        hub, url = DEFAULT_HUB, text
    result: Handlers = {}
    _add(result, where, hub.strip(), iter([_handler(where, url.strip())]))
    return result


def _handler(where: str, entry: Any) -> EventHandler:
    if isinstance(entry, EventHandler):
        return entry
    unknown = [key for key in entry if key not in _KEYWORDS] if isinstance(entry, Mapping) else []
    if unknown:
        raise SettingsError(f"{where} has no setting {unknown[0]!r}; there are {', '.join(_KEYWORDS)}")
    try:
        if isinstance(entry, Mapping):
            return EventHandler(**entry)
        if isinstance(entry, str):
            return EventHandler(entry, system_events=SYSTEM_EVENTS)
        # A function that answers every event alike would answer 'connect' with what is no answer to it.
        is_object = hasattr(entry, "handle_async") or hasattr(entry, "handle")
        return EventHandler(handler=entry, system_events=SYSTEM_EVENTS if is_object else ())
    except (TypeError, ValueError) as error:
        raise SettingsError(f"{where}: {error}") from error


def _add(found: Handlers, where: str, hub: Any, handlers: Iterator[EventHandler]) -> None:
    if not isinstance(hub, str) or not (hub == DEFAULT_HUB or is_hub(hub)):
        raise SettingsError(f"{where}: {hub!r} is not the name of a hub ({_HUB_RULE}), nor {DEFAULT_HUB!r}")
    found[hub.lower()] = found.get(hub.lower(), ()) + tuple(handlers)


# The settings file


@dataclass(frozen=True)
class Settings:
    """What a settings file says. ``ignored`` are the settings that have no meaning here, each with the reason."""

    event_handlers: Handlers = field(default_factory=dict)
    access_key: str | None = field(default=None, repr=False)
    accept_entra_tokens: bool | None = None
    ignored: Sequence[str] = ()

    @classmethod
    def from_file(cls, path: str | Path) -> Settings:
        """Read a settings file.

        :param path: File in JSON, at most 1 MiB.
        :raises SettingsError: if it cannot be read, or a setting in it is wrong.
        """
        try:
            with Path(path).open("rb") as file:
                data = file.read(MAX_FILE_SIZE + 1)
            if len(data) > MAX_FILE_SIZE:
                raise SettingsError(f"{path}: the file is larger than {MAX_FILE_SIZE:,} bytes")
            text = data.decode("utf-8-sig")
        except OSError as error:
            raise SettingsError(f"{path}: the file cannot be read: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise SettingsError(f"{path}: the file is not UTF-8: save it as UTF-8") from error
        return cls.from_text(text, str(path))

    @classmethod
    def from_text(cls, text: str, where: str) -> Settings:
        """Read the text of a settings file.

        :param str text: JSON text.
        :param str where: Name for error messages.
        :raises SettingsError: if it is not JSON, or a setting in it is wrong.
        """
        try:
            try:
                value = json.loads(text)
            except ValueError:
                value = json.loads(_without_comments(text))
        except (ValueError, RecursionError) as error:
            raise SettingsError(f"{where}: not JSON: {error}") from error
        if not isinstance(value, dict):
            raise SettingsError(f'{where}: must be a JSON object, such as {{"WebPubSub": {{"Hubs": {{}}}}}}')
        return _Reader(where).read(value)


_COMMENT = re.compile(r'("(?:[^"\\]|\\.)*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
_TRAILING_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*[\]}])', re.DOTALL)


def _without_comments(text: str) -> str:
    for pattern in (_COMMENT, _TRAILING_COMMA):
        text = pattern.sub(lambda match: match[1] or "", text)
    return text


@dataclass
class _Node:
    """A setting and those below it, by lower-case name; ``key`` is how the file spells the way to it."""

    key: str
    value: Any = None
    below: dict[str, _Node] = field(default_factory=dict)

    def put(self, name: str, value: Any, depth: int = 0) -> None:
        """Add a value under a name; colons in it, objects and lists lead further down."""
        if depth > _MAX_NESTING:
            raise SettingsError(f"{self.key}: nested deeper than {_MAX_NESTING}")
        node = self
        for part in name.split(":"):
            node = node.below.setdefault(part.lower(), _Node(f"{node.key}:{part}" if node.key else part))
        items = enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()
        for inner, item in items:
            node.put(str(inner), item, depth + 1)
        if not isinstance(value, list | dict):
            node.value = value

    def get(self, name: str) -> _Node | None:
        """Return a setting below this one."""
        return self.below.get(name.lower())

    def items(self) -> list[_Node]:
        """Return the settings below this one as a list, in the order of their numbers."""
        return [self.below[name] for name in sorted(self.below, key=lambda name: (len(name), name))]


class _Reader:
    """Makes settings of a tree of nodes."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._ignored: list[str] = []

    def read(self, value: dict[str, Any]) -> Settings:
        root = _Node("")
        for name, item in value.items():
            root.put(name, item)
        service = root.get("WebPubSub") or _Node("WebPubSub")
        names = {"hubs": self._hubs, "accesskey": self._text, "allowunvalidatedentratokens": self._flag}
        found = self._each(service, names)
        return Settings(
            found.get("hubs") or {},
            access_key=found.get("accesskey"),
            accept_entra_tokens=found.get("allowunvalidatedentratokens"),
            ignored=tuple(self._ignored),
        )

    def _each(self, node: _Node, names: Mapping[str, Callable[[_Node], Any]]) -> dict[str, Any]:
        for name, item in node.below.items():
            if name not in names:
                self._ignored.append(f"{self._where}: {item.key} is not a setting of this emulator, and is ignored")
        return {name: read(node.below[name]) for name, read in names.items() if name in node.below}

    def _hubs(self, node: _Node) -> Handlers:
        found: Handlers = {}
        for hub in node.below.values():
            name = hub.key.removeprefix(f"{node.key}:")
            handlers = self._each(hub, {"eventhandlers": self._handlers}).get("eventhandlers", ())
            _add(found, f"{self._where}: {hub.key}", name, iter(handlers))
        return found

    def _handlers(self, node: _Node) -> list[EventHandler]:
        if node.value is not None:
            raise self._error(node, "must be a list of objects with UrlTemplate, SystemEvents and EventPattern")
        return [self._handler(item) for item in node.items()]

    def _handler(self, node: _Node) -> EventHandler:
        names = {"urltemplate": self._text, "systemevents": self._texts, "eventpattern": self._text, "auth": self._auth}
        found = self._each(node, names)
        if not found.get("urltemplate"):
            raise self._error(node, "has no UrlTemplate; write the URL of the handler, such as http://localhost:3000/")
        try:
            return EventHandler(
                found["urltemplate"],
                system_events=found.get("systemevents", ()),
                user_event_pattern=found.get("eventpattern"),
            )
        except ValueError as error:
            words = str(error).replace("'url_template'", "UrlTemplate").replace("'system_events'", "SystemEvents")
            raise self._error(node, words) from error

    def _auth(self, node: _Node) -> None:
        kind = node.get("Type")
        if kind is not None and str(kind.value).lower() != "none":
            raise self._error(kind, f"{kind.value!r} is not supported: the emulator calls handlers without a token")

    def _text(self, node: _Node) -> str | None:
        if node.below or not (node.value is None or isinstance(node.value, str)):
            raise self._error(node, "must be a string")
        return node.value

    def _texts(self, node: _Node) -> list[str]:
        if node.value is not None or not all(isinstance(item.value, str) for item in node.items()):
            raise self._error(node, 'must be a list of strings, such as ["connect", "connected"]')
        return [item.value for item in node.items()]

    def _flag(self, node: _Node) -> bool:
        if str(node.value).lower() not in ("true", "false"):
            raise self._error(node, "must be true or false")
        return str(node.value).lower() == "true"

    def _error(self, node: _Node, message: str) -> SettingsError:
        return SettingsError(f"{self._where}: {node.key} {message}")
