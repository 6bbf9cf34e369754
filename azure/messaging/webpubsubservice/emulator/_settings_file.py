"""Settings as the official emulator takes them: a file like its ``appsettings.json``, and environment variables.

Values by their keys: nested objects or keys joined by colons, ``__`` in environment variables, in any letter case;
comments and trailing commas are allowed in the file. Every error names where the value came from, the key, and what to
write instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ._settings import Handlers, SettingsError, add_handlers
from .webhooks._event_handlers import EventHandler

__all__ = ["MAX_FILE_SIZE", "Settings"]

MAX_FILE_SIZE = 1024 * 1024
_MAX_NESTING = 32
_FORM = '{"WebPubSub": {"Hubs": {}}}'
_AUTH = '{"Type": "ManagedIdentity", "ManagedIdentity": {"Resource": "api://my-backend"}}'
_ENVIRONMENT = "environment"
#: Keywords of an event handler, and what they are called in a file.
_KEYS = {
    "url_template": "UrlTemplate",
    "system_events": "SystemEvents",
    "group_presence_events": "GroupPresenceEvents:EventNames",
    "group_filters": "GroupPresenceEvents:GroupFilters",
    "managed_identity": "Auth:ManagedIdentity:Resource",
}
_ANY_ADDRESS = {"*": "0.0.0.0", "+": "0.0.0.0"}  # noqa: S104 - the command refuses it without --allow-remote


@dataclass(frozen=True)
class Settings:
    """What a settings file and the environment say; None stands for nothing.

    ``ignored`` are the settings that have no meaning here, each with the reason.
    """

    event_handlers: Handlers = field(default_factory=dict)
    access_key: str | None = field(default=None, repr=False)
    accept_entra_tokens: bool | None = None
    anonymous_hubs: frozenset[str] = frozenset()
    host: str | None = None
    port: int | None = None
    ignored: Sequence[str] = ()

    @classmethod
    def read(cls, path: str | Path | None, environ: Mapping[str, str]) -> Settings:
        """Read a settings file, if there is one, and the environment, which goes before it, setting by setting.

        :param path: File in JSON, at most 1 MiB; None for none.
        :param environ: Environment variables.
        :raises SettingsError: if the file cannot be read, or a setting is wrong.
        """
        return cls.parse("{}" if path is None else _read_text(path), "" if path is None else str(path), environ)

    @classmethod
    def parse(cls, text: str, where: str, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the text of a settings file, and the environment.

        :param str text: JSON text.
        :param str where: Name of the file; empty if there is none.
        :param environ: Environment variables.
        :raises SettingsError: if the text is not JSON, or a setting is wrong.
        """
        root = _Node("", where)
        if where:
            _put_file(root, _load(text, where))
        for name, value in (environ or {}).items():
            key = name.replace("__", ":")
            if key.lower() == "urls" or key.lower().startswith("webpubsub:"):
                root.put(key, value, _ENVIRONMENT)
        return _Reader().read(root)


def _read_text(path: str | Path) -> str:
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_FILE_SIZE + 1)
        if len(data) > MAX_FILE_SIZE:
            raise SettingsError(f"{path}: the file is larger than {MAX_FILE_SIZE:,} bytes")
        return data.decode("utf-8-sig")
    except OSError as error:
        raise SettingsError(f"{path}: the file cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: the file is not UTF-8: save it as UTF-8") from error


def _load(text: str, where: str) -> dict[str, Any]:
    try:
        try:
            value = json.loads(text)
        except ValueError:
            value = json.loads(_without_comments(text))
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{where}: not JSON: {error}") from error
    if not isinstance(value, dict):
        raise SettingsError(f"{where}: must be a JSON object, such as {_FORM}")
    return value


def _put_file(root: _Node, value: dict[str, Any]) -> None:
    for name, item in value.items():
        root.put(name, item, root.source)
    if not root.below.keys() & {"webpubsub", "urls"}:
        found = f"only {', '.join(map(repr, value))}" if value else "nothing"
        raise SettingsError(f'{root.source}: has no "WebPubSub" at its top level, {found}: write {_FORM}')


_COMMENT = re.compile(r'("(?:[^"\\]|\\.)*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
_TRAILING_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*[\]}])', re.DOTALL)


def _without_comments(text: str) -> str:
    for pattern in (_COMMENT, _TRAILING_COMMA):
        text = pattern.sub(lambda match: match[1] or "", text)
    return text


@dataclass
class _Node:
    """A setting and those below it, by lower-case name.

    ``key`` is the way to it as it is spelt where it came from, which ``source`` names.
    """

    key: str
    source: str
    value: Any = None
    below: dict[str, _Node] = field(default_factory=dict)

    def put(self, name: str, value: Any, source: str, depth: int = 0) -> None:
        """Add a value under a name; colons in it, objects and lists lead further down."""
        if depth > _MAX_NESTING:
            raise SettingsError(f"{self}: nested deeper than {_MAX_NESTING}")
        node = self
        for part in name.split(":"):
            key = f"{node.key}:{part}" if node.key else part
            node = node.below.setdefault(part.lower(), _Node(key, source))
        items = enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()
        for inner, item in items:
            node.put(str(inner), item, source, depth + 1)
        if not isinstance(value, list | dict):
            node.value, node.source = value, source

    def __str__(self) -> str:
        if self.source == _ENVIRONMENT:
            return f"{_ENVIRONMENT}: {self.key.replace(':', '__')}"
        return f"{self.source}: {self.key}" if self.key else self.source

    def get(self, name: str) -> _Node | None:
        """Return a setting below this one."""
        return self.below.get(name.lower())

    def items(self) -> list[_Node]:
        """Return the settings below this one as a list, in the order of their numbers."""
        return [self.below[name] for name in sorted(self.below, key=lambda name: (len(name), name))]


class _Reader:
    """Makes settings of a tree of nodes."""

    def __init__(self) -> None:
        self._ignored: list[str] = []
        self._anonymous: list[str] = []

    def read(self, root: _Node) -> Settings:
        service = root.get("WebPubSub") or _Node("WebPubSub", "")
        names = {"hubs": self._hubs, "accesskey": self._text, "allowunvalidatedentratokens": self._flag}
        found = self._each(service, names)
        urls = root.get("Urls")
        host, port = (None, None) if urls is None else self._address(urls)
        return Settings(
            found.get("hubs") or {},
            access_key=found.get("accesskey"),
            accept_entra_tokens=found.get("allowunvalidatedentratokens"),
            host=host,
            port=port,
            anonymous_hubs=frozenset(self._anonymous),
            ignored=tuple(self._ignored),
        )

    def _each(self, node: _Node, names: Mapping[str, Callable[[_Node], Any]]) -> dict[str, Any]:
        if node.value is not None:
            raise _error(node, f"must be an object with {', '.join(names)}, in any letter case")
        for name, item in node.below.items():
            if name not in names:
                self._ignored.append(f"{item} is not a setting of this emulator, and is ignored")
        return {name: read(node.below[name]) for name, read in names.items() if name in node.below}

    def _hubs(self, node: _Node) -> Handlers:
        if node.value is not None:
            raise _error(node, 'must be an object with a setting for each hub, such as {"chat": {"EventHandlers": []}}')
        found: Handlers = {}
        for hub in node.below.values():
            name = hub.key.removeprefix(f"{node.key}:")
            names = {"eventhandlers": self._handlers, "anonymousconnectpolicy": self._anonymous_policy}
            settings = self._each(hub, names)
            if settings.get("anonymousconnectpolicy"):
                self._anonymous.append(name.lower())
            handlers = settings.get("eventhandlers", ())
            add_handlers(found, str(hub), name, iter(handlers))
        return found

    def _handlers(self, node: _Node) -> list[EventHandler]:
        if node.value is not None:
            raise _error(node, "must be a list of objects with UrlTemplate, SystemEvents and EventPattern")
        return [self._handler(item) for item in node.items()]

    def _handler(self, node: _Node) -> EventHandler:
        names = {
            "urltemplate": self._text,
            "systemevents": self._texts,
            "eventpattern": self._text,
            "grouppresenceevents": self._group_events,
            "auth": self._auth,
        }
        found = self._each(node, names)
        if not found.get("urltemplate"):
            raise _error(node, "has no UrlTemplate; write the URL of the handler, such as http://localhost:3000/")
        try:
            return EventHandler(
                found["urltemplate"],
                system_events=found.get("systemevents", ()),
                user_event_pattern=found.get("eventpattern"),
                **found.get("grouppresenceevents", {}),
                managed_identity=found.get("auth"),
            )
        except ValueError as error:
            words = str(error)
            for keyword, key in _KEYS.items():
                words = words.replace(f"'{keyword}'", key)
            raise _error(node, words) from error

    def _group_events(self, node: _Node) -> dict[str, list[str]]:
        if node.value is not None:
            raise _error(node, "must be an object with EventNames and GroupFilters")
        found = self._each(node, {"eventnames": self._texts, "groupfilters": self._texts})
        return {
            "group_presence_events": found.get("eventnames", []),
            "group_filters": found.get("groupfilters", []),
        }

    def _auth(self, node: _Node) -> str | None:
        """Return the resource for which handlers get a token, None for no token."""
        if node.value is not None:
            raise _error(node, f"must be an object, such as {_AUTH}")
        found = self._each(node, {"type": self._text, "managedidentity": self._managed_identity})
        kind = (found.get("type") or "None").lower()
        if kind == "none":
            return None
        if kind != "managedidentity":
            raise _error(node.below["type"], f"{found['type']!r} is neither 'None' nor 'ManagedIdentity'")
        resource: str | None = found.get("managedidentity")
        if not resource:
            raise _error(node, f"has no ManagedIdentity:Resource, which the token is for; write {_AUTH}")
        return resource

    def _managed_identity(self, node: _Node) -> str | None:
        found: str | None = self._each(node, {"resource": self._text}).get("resource")
        return found

    def _anonymous_policy(self, node: _Node) -> bool:
        if str(node.value).lower() not in ("allow", "deny"):
            raise _error(node, 'must be "allow" or "deny"')
        return str(node.value).lower() == "allow"

    def _text(self, node: _Node) -> str | None:
        if node.below or not (node.value is None or isinstance(node.value, str)):
            raise _error(node, "must be a string")
        return node.value

    def _texts(self, node: _Node) -> list[str]:
        if node.value is not None or not all(isinstance(item.value, str) for item in node.items()):
            raise _error(node, 'must be a list of strings, such as ["connect", "connected"]')
        return [item.value for item in node.items()]

    def _flag(self, node: _Node) -> bool:
        if str(node.value).lower() not in ("true", "false"):
            raise _error(node, "must be true or false")
        return str(node.value).lower() == "true"

    def _address(self, node: _Node) -> tuple[str, int]:
        """Return host and port of the first http URL in ``Urls``; several are separated by semicolons."""
        urls = [each.strip() for each in (self._text(node) or "").split(";") if each.strip()]
        for index, url in enumerate(urls):
            try:
                parts = urlsplit(url)
                host, port = parts.hostname, parts.port
            except ValueError as error:
                raise _error(node, f"{url!r} is not a URL: {error}") from None
            if parts.scheme == "http" and host:
                others = [*urls[:index], *urls[index + 1 :]]
                self._ignored.extend(f"{node}: {each} is ignored, as the emulator has one address" for each in others)
                return _ANY_ADDRESS.get(host, host), 80 if port is None else port
        raise _error(node, "has no http URL; write one, such as http://localhost:8080")


def _error(node: _Node, message: str) -> SettingsError:
    return SettingsError(f"{node} {message}")
