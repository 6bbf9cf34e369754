"""What goes into a hub and what comes out of it, as plain values.

Inputs say what happened (a client connected, a frame arrived, a REST call was made); effects say what the server has to
do about it. Rule: values only, no behaviour; a hub never does anything but return effects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from ._frames import ClientFrame, Message, Payload, ServerFrame
from ._permissions import Permission

if TYPE_CHECKING:
    from ._connections import Connection


@dataclass(frozen=True, slots=True)
class Audience:
    """The connections a REST call speaks of: those of a group, of a user, one connection, or the whole hub.

    At most one of ``group``, ``user_id`` and ``connection_id`` is set. ``matches`` narrows the choice by a filter.
    """

    group: str | None = None
    user_id: str | None = None
    connection_id: str | None = None
    excluded: frozenset[str] = frozenset()
    matches: Callable[[Connection], bool] | None = None


# What happens to a hub


@dataclass(frozen=True, slots=True)
class Open:
    """A client was let in.

    ``subprotocol`` is None for a simple client; a ``reconnection_token`` makes it reliable. ``known_as`` is the name by
    which the client knows the service, for events about it.
    """

    connection_id: str
    subprotocol: str | None = None
    user_id: str | None = None
    groups: Sequence[str] = ()
    roles: Sequence[str] = ()
    reconnection_token: str | None = None
    known_as: str = ""


@dataclass(frozen=True, slots=True)
class Received:
    """A client sent a frame."""

    connection_id: str
    frame: ClientFrame


@dataclass(frozen=True, slots=True)
class Misbehaved:
    """A client sent what is no frame, or reads too slowly: it is told why and closed with ``code``."""

    connection_id: str
    message: str
    code: int


@dataclass(frozen=True, slots=True)
class Lost:
    """The socket of a client is gone; ``final`` if the client meant it (close 1000, or a close without a code)."""

    connection_id: str
    final: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Recover:
    """A client wants its connection back on a new socket."""

    connection_id: str
    reconnection_token: str


@dataclass(frozen=True, slots=True)
class Handled:
    """The event handler has answered the event that a :class:`RaiseEvent` asked about."""

    connection_id: str
    ack_id: int | None
    failed: bool = False
    reply: Payload | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Publish:
    """A REST call sends a message. ``ttl_seconds`` 0 means it never expires."""

    audience: Audience
    payload: Payload
    ttl_seconds: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Disconnect:
    """A REST call closes connections."""

    audience: Audience
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AddToGroups:
    """A REST call puts connections into groups."""

    audience: Audience
    groups: Sequence[str]


@dataclass(frozen=True, slots=True)
class RemoveFromGroups:
    """A REST call takes connections out of groups; None stands for all of them."""

    audience: Audience
    groups: Sequence[str] | None


@dataclass(frozen=True, slots=True)
class Allow:
    """A REST call grants (or revokes) a permission on a group at run time."""

    connection_id: str
    permission: Permission
    group: str
    allowed: bool


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


Input: TypeAlias = (
    Open
    | Received
    | Misbehaved
    | Lost
    | Recover
    | Handled
    | Publish
    | Disconnect
    | AddToGroups
    | RemoveFromGroups
    | Allow
    | Tick
)


# What the server has to do


@dataclass(frozen=True, slots=True)
class Reply:
    """Send one frame to one connection."""

    connection_id: str
    frame: ServerFrame


@dataclass(frozen=True, slots=True)
class Deliver:
    """Send one message to many connections."""

    message: Message
    to: Sequence[str]


@dataclass(frozen=True, slots=True)
class DeliverInSequence:
    """Send one message to many reliable connections, each under a sequence id of its own."""

    message: Message
    to: Sequence[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Close:
    """Close the socket of a connection."""

    connection_id: str
    code: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Recovered:
    """The new socket takes the place of the old one, which is dropped without a word."""

    connection_id: str


@dataclass(frozen=True, slots=True)
class RecoveryRefused:
    """The new socket is closed with 1008."""

    connection_id: str


@dataclass(frozen=True, slots=True)
class RaiseEvent:
    """Call the event handler, and report back with :class:`Handled`."""

    connection_id: str
    event: str
    payload: Payload
    ack_id: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GroupChanged:
    """A connection has joined a group or left it; its ``joined`` or ``left`` event is due."""

    connection_id: str
    group: str
    joined: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """The connection is over for good; its ``disconnected`` event is due."""

    connection_id: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """A line for the log that says why something was refused."""

    connection_id: str
    why: str


Effect: TypeAlias = (
    Reply
    | Deliver
    | DeliverInSequence
    | Close
    | Recovered
    | RecoveryRefused
    | RaiseEvent
    | GroupChanged
    | Ended
    | Refused
)
