"""Event handler settings as programs and arguments give them: in Python, and as ``HUB=URL``.

Text and plain values in, :class:`EventHandler` values by hub out. Every error names where the value came from, and what
to write instead. Settings files and the environment are in ``_settings_file``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from .hub._names import is_hub
from .webhooks._event_handlers import GROUP_EVENTS, SYSTEM_EVENTS, EventHandler, without_secrets

__all__ = [
    "DEFAULT_HUB",
    "Handlers",
    "SettingsError",
    "add_handlers",
    "describe_handlers",
    "join_event_handlers",
    "parse_event_handler",
    "read_anonymous_hubs",
    "read_event_handlers",
]

#: Stands for every hub without settings of its own.
DEFAULT_HUB = "_default"

Handlers = dict[str, tuple[EventHandler, ...]]

_KEYWORDS = (
    "url_template",
    "app",
    "handler",
    "system_events",
    "user_event_pattern",
    "group_presence_events",
    "group_filters",
    "managed_identity",
)
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
        add_handlers(found, where, hub, (_handler(f"{where}[{index}]", item) for index, item in enumerate(entries)))
    return found


def join_event_handlers(first: Handlers, then: Handlers) -> Handlers:
    """Return the handlers of both, hub by hub; those of ``first`` are asked first."""
    return {hub: (*first.get(hub, ()), *then.get(hub, ())) for hub in (*first, *then)}


def read_anonymous_hubs(value: Any) -> Callable[[str], bool]:
    """Return a function that tells whether clients may come into a hub (in lower case) without a token.

    :param value: True for every hub, False for none, or the names of hubs.
    :raises SettingsError: if it is of another form.
    """
    if isinstance(value, bool):
        return lambda _: value
    names = [value] if isinstance(value, str) else list(value) if isinstance(value, Iterable) else None
    if names is None or not all(isinstance(name, str) and is_hub(name) for name in names):
        raise SettingsError(f"'allow_anonymous' must be a bool or names of hubs, not {value!r}")
    return frozenset(name.lower() for name in names).__contains__


def parse_event_handler(text: str) -> Handlers:
    """Return the handler that ``HUB=URL`` stands for; it gets all events of the hub.

    :param str text: Such as ``chat=http://localhost:3000/eventhandler``; without a hub, it is for all hubs.
    :raises SettingsError: if it is of another form.
    """
    where = f"event handler {without_secrets(text)!r}"
    hub, found, url = text.partition("=")
    if not found or "/" in hub:
        hub, url = DEFAULT_HUB, text
    result: Handlers = {}
    add_handlers(result, where, hub.strip(), iter([_handler(where, url.strip())]))
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


def add_handlers(found: Handlers, where: str, hub: Any, handlers: Iterator[EventHandler]) -> None:
    """Add the handlers of a hub to those that are found already.

    :raises SettingsError: if there is no hub of that name; ``where`` says where it is written.
    """
    if not isinstance(hub, str) or not (hub == DEFAULT_HUB or is_hub(hub)):
        raise SettingsError(f"{where}: {hub!r} is not the name of a hub ({_HUB_RULE}), nor {DEFAULT_HUB!r}")
    found[hub.lower()] = found.get(hub.lower(), ()) + tuple(handlers)


def describe_handlers(handlers: Handlers) -> list[str]:
    """Return a line for each handler: its hub, where it is, and its events."""
    return [
        f"event handler of {'every other hub' if hub == DEFAULT_HUB else f'hub {hub}'}: {each.place}, {_events(each)}"
        for hub, found in handlers.items()
        for each in found
    ]


def _events(handler: EventHandler) -> str:
    system = [name for name in SYSTEM_EVENTS if name in handler.system_events]
    user = "all user events" if "*" in handler.user_events else ", ".join(sorted(handler.user_events))
    group = [name for name in GROUP_EVENTS if name in handler.group_presence_events]
    return f"events {', '.join([*system, *group, *([user] if user else [])]) or 'none'}"
