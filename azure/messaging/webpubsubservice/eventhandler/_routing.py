"""Which function gets which event. Registration and look-up; nothing here runs a function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

from ._events import (
    ConnectedRequest,
    ConnectRequest,
    DisconnectedRequest,
    EventRequest,
    GroupJoinedRequest,
    GroupLeftRequest,
    UserEventRequest,
)
from ._replies import ConnectReply, UserEventReply

Function = Callable[[Any], Any]

_Connect = TypeVar("_Connect", bound=Callable[[ConnectRequest], ConnectReply | Awaitable[ConnectReply]])
_Connected = TypeVar("_Connected", bound=Callable[[ConnectedRequest], Awaitable[None] | None])
_Disconnected = TypeVar("_Disconnected", bound=Callable[[DisconnectedRequest], Awaitable[None] | None])
_Joined = TypeVar("_Joined", bound=Callable[[GroupJoinedRequest], Awaitable[None] | None])
_Left = TypeVar("_Left", bound=Callable[[GroupLeftRequest], Awaitable[None] | None])
_UserEvent = TypeVar("_UserEvent", bound=Callable[[UserEventRequest], UserEventReply | Awaitable[UserEventReply]])


class EventRouter:
    """The functions of a handler: at most one for each system event and for each name of a user event."""

    def __init__(self) -> None:
        self._functions: dict[str, Function] = {}
        self._user_events: dict[str | None, Function] = {}

    def on_connect(self, function: _Connect) -> _Connect:
        """Register the function that decides who may connect. Decorator.

        :param function: Takes a `ConnectRequest`; returns a `ConnectResponse`, an `EventErrorResponse`, or None to
            accept the connection as its token says. May be ``async def``.
        :raises ValueError: if there is one already
        """
        _register(self._functions, "connect", "on_connect", function)
        return function

    def on_connected(self, function: _Connected) -> _Connected:
        """Register the function that is told of each new connection. Decorator.

        :param function: Takes a `ConnectedRequest`; returns None. May be ``async def``.
        :raises ValueError: if there is one already
        """
        _register(self._functions, "connected", "on_connected", function)
        return function

    def on_disconnected(self, function: _Disconnected) -> _Disconnected:
        """Register the function that is told of each connection that ended. Decorator.

        :param function: Takes a `DisconnectedRequest`; returns None. May be ``async def``.
        :raises ValueError: if there is one already
        """
        _register(self._functions, "disconnected", "on_disconnected", function)
        return function

    def on_group_joined(self, function: _Joined) -> _Joined:
        """Register the function that is told of each connection that joined a group. Decorator.

        The service sends the event where the hub's ``groupPresenceEvents`` ask for it.

        :param function: Takes a `GroupJoinedRequest`; returns None. May be ``async def``.
        :raises ValueError: if there is one already
        """
        _register(self._functions, "joined", "on_group_joined", function)
        return function

    def on_group_left(self, function: _Left) -> _Left:
        """Register the function that is told of each connection that left a group. Decorator.

        The service sends the event where the hub's ``groupPresenceEvents`` ask for it.

        :param function: Takes a `GroupLeftRequest`; returns None. May be ``async def``.
        :raises ValueError: if there is one already
        """
        _register(self._functions, "left", "on_group_left", function)
        return function

    @overload
    def on_event(self, name: str | None = None) -> Callable[[_UserEvent], _UserEvent]: ...

    @overload
    def on_event(self, name: _UserEvent) -> _UserEvent: ...

    def on_event(self, name: str | _UserEvent | None = None) -> Callable[[_UserEvent], _UserEvent] | _UserEvent:
        """Register the function that answers a user event. Decorator, with or without parentheses.

        The function takes a `UserEventRequest`; it returns a str, bytes or a JSON value, which becomes a message to the
        connection, a `UserEventResponse`, an `EventErrorResponse`, or None. May be ``async def``.

        :param str name: Name of the event, in its letter case; ``message`` is what simple clients send. None: every
            event that has no function of its own.
        :raises ValueError: if there is one already, or the name is empty
        """
        if callable(name):
            _register(self._user_events, None, "on_event()", name)
            return name
        if name is not None and not name:
            raise ValueError("name must not be empty; leave it out to answer every user event")

        def register(function: _UserEvent) -> _UserEvent:
            _register(self._user_events, name, f"on_event({name!r})" if name else "on_event()", function)
            return function

        return register

    def _find(self, event: EventRequest) -> Function | None:
        if isinstance(event, UserEventRequest):
            return self._user_events.get(event.event_name, self._user_events.get(None))
        return self._functions.get(event.event_name)


def function_name(function: Function) -> str:
    """Return the name a function has in messages and logs."""
    return str(getattr(function, "__qualname__", type(function).__name__))


def _register(table: dict[Any, Function], key: str | None, decorator: str, function: Function) -> None:
    if not callable(function):
        raise TypeError(f"{decorator} takes a function, not {type(function).__name__}")
    if key in table:
        raise ValueError(f"{decorator} has a function already: {function_name(table[key])}")
    table[key] = function
