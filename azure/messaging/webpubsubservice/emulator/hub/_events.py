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
    from .mqtt import _packets as mqtt
    from .mqtt._admission import Admitted
    from .mqtt._session import Ending


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
class OpenMqtt:
    """An MQTT client was let in: it begins a session, or takes up the one it has.

    ``session_id`` is for a new session. ``user_properties`` go into the answer; ``fits`` tells whether the client takes
    a message of this size, None if it takes any.
    """

    admitted: Admitted
    session_id: str
    user_id: str | None = None
    groups: Sequence[str] = ()
    roles: Sequence[str] = ()
    user_properties: tuple[tuple[str, str], ...] = ()
    fits: Callable[[mqtt.Publish], bool] | None = None
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
    """The event handler has answered the event that a :class:`RaiseEvent` asked about.

    For an event of an MQTT client, ``packet`` is the message that raised it, and ``answer`` what is said to it.
    """

    connection_id: str
    ack_id: int | None
    failed: bool = False
    reply: Payload | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    packet: mqtt.Publish | None = None
    answer: MqttAnswer | None = None
    invocation_id: str | None = None


@dataclass(frozen=True, slots=True)
class MqttAnswer:
    """What an event handler answered to an event of an MQTT client, well or badly: the parts of the HTTP answer."""

    status: int
    body: bytes = b""
    content_type: str | None = None
    user_properties: tuple[tuple[str, str], ...] = ()


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
class GiveUp:
    """Too much is kept for a client that does not confirm it: its connection is over."""

    connection_id: str


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


Input: TypeAlias = (
    Open
    | OpenMqtt
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
    | GiveUp
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
    """Send one message to many reliable connections, each under a sequence id of its own.

    To MQTT clients it is a packet, and the numbers are packet identifiers, 0 at QoS 0.
    """

    message: Message | mqtt.Publish
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
class Published:
    """An MQTT client (or its will) has published to a group."""

    connection_id: str
    message: Message
    ttl_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Attached:
    """An MQTT client is in: its new socket carries the connection from here on."""

    connection_id: str
    session_id: str
    is_new: bool


@dataclass(frozen=True, slots=True)
class NotAttached:
    """An MQTT client is not let in; ``code`` is one of MQTT 5.0."""

    connection_id: str
    code: int
    why: str


@dataclass(frozen=True, slots=True)
class RaiseEvent:
    """Call the event handler, and report back with :class:`Handled`.

    ``packet`` is what an MQTT client published; ``invocation_id`` is there when a client has invoked the event.
    """

    connection_id: str
    event: str
    payload: Payload
    ack_id: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    packet: mqtt.Publish | None = None
    invocation_id: str | None = None


@dataclass(frozen=True, slots=True)
class GroupChanged:
    """A connection has joined a group or left it; its ``joined`` or ``left`` event is due."""

    connection_id: str
    group: str
    joined: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """The connection is over for good; its ``disconnected`` event is due. ``ending`` is how an MQTT client was lost."""

    connection_id: str
    reason: str = ""
    ending: Ending | None = None


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
    | Published
    | Attached
    | NotAttached
    | RaiseEvent
    | GroupChanged
    | Ended
    | Refused
)
