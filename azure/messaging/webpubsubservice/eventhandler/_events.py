"""The service's events as frozen values: what a function of the caller's is given.

Only values live here. Nothing in this file reads a header, parses a body or knows HTTP; ``_cloudevents`` makes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

DataType = Literal["text", "json", "binary", "protobuf"]


@dataclass(frozen=True)
class MqttContext:
    """Where an event of an MQTT client comes from.

    :ivar str physical_connection_id: Id of the network connection; a session can outlive several of them.
    :ivar session_id: Id of the MQTT session. None on ``connect``, when there is no session yet.
    """

    physical_connection_id: str
    session_id: str | None = None


@dataclass(frozen=True)
class ConnectionContext:
    """The connection an event is about.

    :ivar str hub: Name of the hub, as the service writes it. Hub names do not depend on letter case.
    :ivar str connection_id: Id of the client connection.
    :ivar str event_name: ``connect``, ``connected``, ``disconnected``, ``joined``, ``left``, or the name of the user
        event.
    :ivar user_id: User id of the connection, or None for an anonymous one.
    :ivar subprotocol: WebSocket subprotocol that was chosen, or None. On ``connect`` nothing is chosen yet.
    :ivar origin: Host name of the service that sends the event (``WebHook-Request-Origin``).
    :ivar event_id: Id of the event, unique for its connection. A repeated delivery carries the same id.
    :ivar states: State of the connection: what earlier replies put into their ``states``.
    :ivar metadata: Metadata of the client's message; keys are in lower case.
    :ivar mqtt: More about an MQTT connection, or None for the other protocols.
    :ivar namespace: Socket.IO namespace (Socket.IO in serverless mode), or None for the other protocols.
    :ivar socket_id: Id of the Socket.IO socket, or None for the other protocols.
    """

    hub: str
    connection_id: str
    event_name: str
    user_id: str | None = None
    subprotocol: str | None = None
    origin: str | None = None
    event_id: str | None = None
    states: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    mqtt: MqttContext | None = None
    namespace: str | None = None
    socket_id: str | None = None


@dataclass(frozen=True)
class _Request:
    """What all events share: the context, and short ways to its fields."""

    context: ConnectionContext

    @property
    def hub(self) -> str:
        """Name of the hub."""
        return self.context.hub

    @property
    def connection_id(self) -> str:
        """Id of the client connection."""
        return self.context.connection_id

    @property
    def event_name(self) -> str:
        """Name of the event."""
        return self.context.event_name

    @property
    def user_id(self) -> str | None:
        """User id of the connection, or None for an anonymous one."""
        return self.context.user_id

    @property
    def states(self) -> Mapping[str, Any]:
        """State of the connection. To change it, give ``states`` to the reply."""
        return self.context.states


@dataclass(frozen=True)
class ClientCertificate:
    """A certificate the client showed in its TLS handshake.

    :ivar str thumbprint: Thumbprint of the certificate.
    :ivar str content: The certificate as PEM text.
    """

    thumbprint: str
    content: str


@dataclass(frozen=True)
class MqttConnectProperties:
    """What the client said in its MQTT CONNECT packet.

    :ivar int protocol_version: 4 for MQTT 3.1.1, 5 for MQTT 5.0.
    :ivar username: User name, or None.
    :ivar password: Password, decoded from base64, or None.
    :ivar user_properties: User properties (MQTT 5.0), pairs of name and value in the client's order.
    """

    protocol_version: int
    username: str | None = None
    password: bytes | None = field(default=None, repr=False)
    user_properties: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class MqttDisconnectProperties:
    """How an MQTT connection ended.

    :ivar bool initiated_by_client: Whether the client sent DISCONNECT or closed the connection.
    :ivar code: Reason code of the DISCONNECT packet, or None if there was no packet.
    :ivar user_properties: User properties of that packet, pairs of name and value.
    """

    initiated_by_client: bool
    code: int | None = None
    user_properties: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class ConnectRequest(_Request):
    """A client asks to connect; the reply decides (``connect``, the service waits for it).

    :ivar context: The connection.
    :vartype context: ConnectionContext
    :ivar claims: Claims of the client's token: name to values.
    :ivar query: Query parameters of the client's URL: name to values.
    :ivar headers: Headers of the client's handshake: name to values. A look-up does not depend on letter case.
    :ivar subprotocols: WebSocket subprotocols the client offers, in its order.
    :ivar client_certificates: Certificates the client showed.
    :ivar mqtt: The client's MQTT CONNECT packet, or None for the other protocols.
    """

    # Query and headers can hold tokens and cookies, claims can hold personal data: none of them is shown in a repr.
    claims: Mapping[str, Sequence[str]] = field(default_factory=dict, repr=False)
    query: Mapping[str, Sequence[str]] = field(default_factory=dict, repr=False)
    headers: Mapping[str, Sequence[str]] = field(default_factory=dict, repr=False)
    subprotocols: Sequence[str] = ()
    client_certificates: Sequence[ClientCertificate] = field(default=(), repr=False)
    mqtt: MqttConnectProperties | None = None


@dataclass(frozen=True)
class ConnectedRequest(_Request):
    """A client is connected (``connected``; the service does not wait, and may send a user event sooner).

    :ivar context: The connection.
    :vartype context: ConnectionContext
    """


@dataclass(frozen=True)
class UserEventRequest(_Request):
    """A client sent an event, or a simple client any frame (the service waits for the reply).

    :ivar context: The connection.
    :vartype context: ConnectionContext
    :ivar data: str for ``text``, bytes for ``binary`` and ``protobuf``, the parsed value for ``json``.
    :ivar str data_type: What the client sent: ``text``, ``json``, ``binary`` or ``protobuf``.
    """

    data: Any
    data_type: DataType


@dataclass(frozen=True)
class DisconnectedRequest(_Request):
    """A connection ended (``disconnected``; comes once for each connection that opened).

    :ivar context: The connection.
    :vartype context: ConnectionContext
    :ivar reason: Why it ended, in the service's words, or None.
    :ivar mqtt: How the MQTT connection ended, or None for the other protocols.
    """

    reason: str | None = None
    mqtt: MqttDisconnectProperties | None = None


@dataclass(frozen=True)
class GroupJoinedRequest(_Request):
    """A connection joined a group (``joined``; sent where the hub's ``groupPresenceEvents`` ask for it).

    :ivar context: The connection.
    :vartype context: ConnectionContext
    :ivar str group: Name of the group.
    """

    group: str


@dataclass(frozen=True)
class GroupLeftRequest(_Request):
    """A connection left a group (``left``; sent where the hub's ``groupPresenceEvents`` ask for it).

    :ivar context: The connection.
    :vartype context: ConnectionContext
    :ivar str group: Name of the group.
    """

    group: str


EventRequest = (
    ConnectRequest | ConnectedRequest | UserEventRequest | DisconnectedRequest | GroupJoinedRequest | GroupLeftRequest
)
