"""What an MQTT client and the service say to each other, as plain values for both versions of the protocol.

A packet is the same value in MQTT 3.1.1 and 5.0; what a version cannot say is left out when it is written. Codes are
those of 5.0, except in CONNACK, whose codes are those of the client's version. Rule: no bytes, no state, no behaviour.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TypeAlias

MQTT_3, MQTT_5 = 4, 5


@dataclass(frozen=True, slots=True, repr=False)
class Properties:
    """The properties of a packet of MQTT 5.0; None, or no value at all, is a property that is not there."""

    payload_format_indicator: int | None = None
    message_expiry_interval: int | None = None
    content_type: str | None = None
    response_topic: str | None = None
    correlation_data: bytes | None = None
    subscription_identifier: tuple[int, ...] = ()
    session_expiry_interval: int | None = None
    assigned_client_identifier: str | None = None
    server_keep_alive: int | None = None
    authentication_method: str | None = None
    authentication_data: bytes | None = None
    request_problem_information: int | None = None
    will_delay_interval: int | None = None
    request_response_information: int | None = None
    response_information: str | None = None
    server_reference: str | None = None
    reason_string: str | None = None
    receive_maximum: int | None = None
    topic_alias_maximum: int | None = None
    topic_alias: int | None = None
    maximum_qos: int | None = None
    retain_available: int | None = None
    user_property: tuple[tuple[str, str], ...] = ()
    maximum_packet_size: int | None = None
    wildcard_subscription_available: int | None = None
    subscription_identifiers_available: int | None = None
    shared_subscription_available: int | None = None

    def __repr__(self) -> str:
        # Most are never there, and one is a secret.
        shown = [
            f"{name}={getattr(self, name)!r}"
            for name in NAMES
            if getattr(self, name) not in (None, ()) and name != "authentication_data"
        ]
        return f"Properties({', '.join(shown)})"


NAMES = tuple(each.name for each in fields(Properties))
NONE = Properties()


@dataclass(frozen=True, slots=True)
class Will:
    """The message that is published when the client is gone without a word."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    properties: Properties = NONE


@dataclass(frozen=True, slots=True)
class Connect:
    """The first packet of a client. ``version`` is 4 for MQTT 3.1.1, 5 for 5.0."""

    client_id: str
    version: int = MQTT_5
    clean_start: bool = True
    keep_alive: int = 0
    username: str | None = None
    password: bytes | None = field(default=None, repr=False)
    will: Will | None = None
    properties: Properties = NONE


@dataclass(frozen=True, slots=True)
class ConnAck:
    """The answer to :class:`Connect`; ``code`` is one of the client's version."""

    session_present: bool
    code: int = 0
    properties: Properties = NONE


@dataclass(frozen=True, slots=True)
class Publish:
    """A message, either way. ``packet_id`` is 0 at QoS 0."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    dup: bool = False
    packet_id: int = 0
    properties: Properties = NONE


@dataclass(frozen=True, slots=True)
class PubAck:
    """The answer to a message at QoS 1."""

    packet_id: int
    code: int = 0
    properties: Properties = NONE


@dataclass(frozen=True, slots=True)
class PubRec:
    """The first answer to a message at QoS 2."""

    packet_id: int
    code: int = 0
    properties: Properties = NONE


@dataclass(frozen=True, slots=True)
class PubRel:
    """What the sender of a message at QoS 2 says to :class:`PubRec`."""

    packet_id: int
    code: int = 0
    properties: Properties = NONE


@dataclass(frozen=True, slots=True)
class PubComp:
    """The last answer to a message at QoS 2."""

    packet_id: int
    code: int = 0
    properties: Properties = NONE


@dataclass(frozen=True, slots=True)
class Subscription:
    """One topic of :class:`Subscribe` with its options."""

    topic: str
    qos: int = 0
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: int = 0


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Join groups."""

    packet_id: int
    subscriptions: tuple[Subscription, ...]
    properties: Properties = NONE


@dataclass(frozen=True, slots=True)
class SubAck:
    """The answer to :class:`Subscribe`: the granted QoS or a refusal for each topic, in their order."""

    packet_id: int
    codes: tuple[int, ...]
    properties: Properties = NONE


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Leave groups."""

    packet_id: int
    topics: tuple[str, ...]
    properties: Properties = NONE


@dataclass(frozen=True, slots=True)
class UnsubAck:
    """The answer to :class:`Unsubscribe`; MQTT 3.1.1 has no codes in it."""

    packet_id: int
    codes: tuple[int, ...] = ()
    properties: Properties = NONE


@dataclass(frozen=True, slots=True)
class PingReq:
    """Ask for a :class:`PingResp`."""


@dataclass(frozen=True, slots=True)
class PingResp:
    """The answer to :class:`PingReq`."""


@dataclass(frozen=True, slots=True)
class Disconnect:
    """The last packet of a client, or (5.0 only) of the service."""

    code: int = 0
    properties: Properties = NONE


@dataclass(frozen=True, slots=True)
class Auth:
    """Enhanced authentication (5.0 only), which the service does not have."""

    code: int = 0
    properties: Properties = NONE


Ack: TypeAlias = PubAck | PubRec | PubRel | PubComp
Packet: TypeAlias = (
    Connect
    | ConnAck
    | Publish
    | PubAck
    | PubRec
    | PubRel
    | PubComp
    | Subscribe
    | SubAck
    | Unsubscribe
    | UnsubAck
    | PingReq
    | PingResp
    | Disconnect
    | Auth
)
