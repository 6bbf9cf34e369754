"""Event handler settings: which events go to which handler, and where it is (service facts, Routing).

Values that are checked when they are made; reading them from files and arguments is in ``_settings``, calling them in
``_upstream``.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from typing import Any
from urllib.parse import quote, urlsplit

from ..hub._patterns import Pattern, parse_pattern
from ._identity import can_sign

__all__ = ["GROUP_EVENTS", "SYSTEM_EVENTS", "ASGIApp", "EventHandler", "HandlerFunction"]

SYSTEM_EVENTS = ("connect", "connected", "disconnected")
GROUP_EVENTS = ("joined", "left")

_Message = MutableMapping[str, Any]
ASGIApp = Callable[
    [_Message, Callable[[], Awaitable[_Message]], Callable[[_Message], Awaitable[None]]], Awaitable[None]
]
#: Takes method, headers and body; returns (or, if ``async def``, awaits to) something with ``status``, ``headers`` and
#: ``body``.
HandlerFunction = Callable[[str, Mapping[str, str], bytes], Any]

_PARAMETER = re.compile(r"\{(hub|event)\}", re.IGNORECASE)
_USER = re.compile(r"://[^/]*@")
_IN_PROCESS = "http://localhost"


class EventHandler:
    """Sends the events of a hub that match to one handler: at a URL, or in this process.

    :param str url_template: URL of the handler; ``{hub}`` and ``{event}`` are replaced, except in the host. With
        ``app`` it says which path of the application is asked.
    :keyword app: ASGI application in this process, asked without a socket between, in the emulator's event loop and
        without the application's lifespan. One that has a lifespan, or an asynchronous client or database pool, goes on
        a server in the test, with a ``url_template``.
    :keyword handler: Object with ``handle_async`` or ``handle`` (such as ``WebPubSubEventHandler``), or a function that
        takes method, headers and body. Called in this process; a plain function is called in a thread of its own.
    :keyword system_events: System events to send: ``connect``, ``connected``, ``disconnected``.
    :paramtype system_events: ~collections.abc.Collection[str]
    :keyword str user_event_pattern: User events to send: ``*`` for all, a name, or names with commas; "" or None for
        none.
    :keyword group_presence_events: Group events to send: ``joined``, ``left``.
    :paramtype group_presence_events: ~collections.abc.Collection[str]
    :keyword group_filters: Patterns of the groups whose events are sent, such as ``room-*``; all groups if there are
        none. A pattern is one as in roles: ``?`` is a character and ``*`` any number of them, except for dots; ``**``
        takes dots too.
    :paramtype group_filters: ~collections.abc.Collection[str]
    :keyword str managed_identity: Resource for which the emulator signs a bearer token that each request carries, such
        as ``api://my-backend``: its audience, as when the service uses a managed identity. The issuer is
        ``{endpoint}/managed-identity``, which serves OpenID metadata and keys. It needs the package ``cryptography``.
    :ivar user_events: The names in ``user_event_pattern``, in lower case.
    :vartype user_events: frozenset[str]
    :raises ValueError: if there is not exactly one place to send to, or a value is not of the form above.
    :raises TypeError: if a value has the wrong type.
    """

    __slots__ = (
        "_group_patterns",
        "app",
        "group_filters",
        "group_presence_events",
        "handler",
        "managed_identity",
        "system_events",
        "url_template",
        "user_event_pattern",
        "user_events",
    )

    def __init__(
        self,
        url_template: str | None = None,
        *,
        app: ASGIApp | None = None,
        handler: Any = None,
        system_events: Collection[str] = (),
        user_event_pattern: str | None = "*",
        group_presence_events: Collection[str] = (),
        group_filters: Collection[str] = (),
        managed_identity: str | None = None,
    ) -> None:
        if handler is not None and (app is not None or url_template is not None):
            raise ValueError("give 'handler' alone, without 'url_template' and 'app'")
        if handler is None and app is None and url_template is None:
            raise ValueError("give 'url_template', 'app' or 'handler'")
        if handler is not None:
            handler_function(handler)
        if app is not None and not callable(app):
            raise TypeError(f"'app' must be an ASGI application, not {type(app).__name__}")
        if handler is None:
            url_template = _check_template("/" if url_template is None else url_template, in_process=app is not None)
        self.url_template: str | None = url_template
        self.app: ASGIApp | None = app
        self.handler: Any = handler
        self.system_events: frozenset[str] = _check_events("system_events", system_events, SYSTEM_EVENTS)
        self.user_event_pattern: str | None = user_event_pattern
        self.user_events: frozenset[str] = _check_pattern(user_event_pattern)
        self.group_presence_events: frozenset[str] = _check_events(
            "group_presence_events", group_presence_events, GROUP_EVENTS
        )
        self._group_patterns = _check_filters(group_filters)
        self.group_filters: tuple[str, ...] = tuple(group_filters)
        self.managed_identity: str | None = _check_resource(managed_identity)

    def __repr__(self) -> str:
        events = f"system_events={sorted(self.system_events)!r}, user_event_pattern={self.user_event_pattern!r}"
        return f"<EventHandler {self.place!r}, {events}>"

    @property
    def place(self) -> str:
        """Where the handler is, as a log may show it."""
        if self.url_template is not None:
            return without_secrets(self.url_template)
        return getattr(self.handler, "__qualname__", type(self.handler).__name__)

    def takes(self, event: str, *, is_user: bool) -> bool:
        """Return True if the event goes to this handler."""
        if is_user:
            return "*" in self.user_events or event.lower() in self.user_events
        return event in self.system_events

    def takes_group_event(self, event: str, group: str) -> bool:
        """Return True if the event of the group goes to this handler."""
        return event in self.group_presence_events and (
            not self._group_patterns or any(pattern.matches(group) for pattern in self._group_patterns)
        )

    def url(self, hub: str, event: str) -> str | None:
        """Return the URL for an event of a hub; None when the handler has none."""
        values = {"hub": hub, "event": event}
        if self.url_template is None:
            return None
        return _PARAMETER.sub(lambda match: quote(values[match[1].lower()], safe=""), self.url_template)


def without_secrets(url: str) -> str:
    """Return a URL without its query and its password, which may hold what nobody should read in a log."""
    return _USER.sub("://", url.partition("?")[0])


def handler_function(handler: Any) -> HandlerFunction:
    """Return what is to be called of a handler.

    :raises TypeError: if it is not callable and has no ``handle``.
    """
    for name in ("handle_async", "handle"):
        method: HandlerFunction | None = getattr(handler, name, None)
        if callable(method):
            return method
    if not callable(handler):
        raise TypeError(f"'handler' must be callable or have 'handle', not {type(handler).__name__}")
    function: HandlerFunction = handler
    return function


def _check_template(template: str, *, in_process: bool) -> str:
    if not isinstance(template, str):
        raise TypeError(f"'url_template' must be a str, not {type(template).__name__}")
    if in_process and template.startswith("/"):
        template = _IN_PROCESS + template
    shown = without_secrets(template)
    if "@microsoft.keyvault" in template.lower():
        raise ValueError("'url_template' refers to a Key Vault, which the emulator cannot read: write the value itself")
    if template.lower().startswith("tunnel:"):
        raise ValueError(f"'url_template' {shown!r}: the emulator has no tunnel; give the http URL behind it")
    try:
        parts = urlsplit(template)
        parts.port  # noqa: B018 - a port that is no number is found out here
    except ValueError as error:
        raise ValueError(f"'url_template' {shown!r} is not a URL: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"'url_template' {shown!r} must be an absolute http or https URL")
    if "{" in parts.netloc:
        raise ValueError(f"'url_template' {shown!r} has a parameter in the host; only path and query may have one")
    return template


def _check_events(setting: str, events: Collection[str], known: Collection[str]) -> frozenset[str]:
    if isinstance(events, str) or not isinstance(events, Collection):
        raise TypeError(f"'{setting}' must be a list of names, e.g. {list(known)}")
    found = frozenset(str(event).strip().lower() for event in events)
    unknown = found.difference(known)
    if unknown:
        raise ValueError(f"'{setting}' has {sorted(unknown)}; there are {', '.join(known)}")
    return found


def _check_filters(filters: Collection[str]) -> tuple[Pattern, ...]:
    if isinstance(filters, str) or not isinstance(filters, Collection):
        raise TypeError("'group_filters' must be a list of patterns, e.g. ['room-*']")
    patterns = []
    for text in filters:
        pattern = parse_pattern(text) if isinstance(text, str) else None
        if pattern is None:
            raise ValueError(f"'group_filters' has {text!r}, which is no pattern of group names, such as 'room-*'")
        patterns.append(pattern)
    return tuple(patterns)


def _check_resource(resource: str | None) -> str | None:
    if resource is None:
        return None
    if not isinstance(resource, str):
        raise TypeError(f"'managed_identity' must be a str, not {type(resource).__name__}")
    if not resource:
        raise ValueError("'managed_identity' is empty: give the resource of the handler, such as 'api://my-backend'")
    if not can_sign():
        raise ValueError("'managed_identity' needs the package 'cryptography': pip install cryptography")
    return resource


def _check_pattern(pattern: str | None) -> frozenset[str]:
    if pattern is not None and not isinstance(pattern, str):
        raise TypeError(f"'user_event_pattern' must be a str, not {type(pattern).__name__}")
    return frozenset(name for part in (pattern or "").split(",") if (name := part.strip().lower()))
