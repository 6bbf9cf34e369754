"""What a function of the caller's may answer, as values checked where they are made.

Only values live here; ``_answers`` turns them into HTTP. A reply that the service would refuse cannot be built.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

ReplyDataType = Literal["text", "json", "binary"]
RejectionStatus = Literal[400, 401, 403, 500]

_METADATA_KEY = r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}"
_METADATA_VALUE = r"[ -~]{0,1024}"
_METADATA_TOTAL = 8192


def _check_names(parameter: str, names: object) -> None:
    if names is not None and (
        isinstance(names, str) or not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names)
    ):
        raise TypeError(f"{parameter} must be a list of str, not {names!r}")


def _check_text(parameter: str, text: object) -> None:
    if text is not None and not isinstance(text, str):
        raise TypeError(f"{parameter} must be a str, not {type(text).__name__}")


def _check_states(states: object) -> None:
    if states is not None and not isinstance(states, Mapping):
        raise TypeError(f"states must be a dict, not {type(states).__name__}")


@dataclass(frozen=True)
class ConnectResponse:
    """Accept a connection, with or without changes. What is None stays as the client's token says.

    :param str user_id: User id of the connection, instead of the token's.
    :param list[str] groups: Groups the connection joins at once, instead of the token's.
    :param list[str] roles: Roles of the connection, instead of the token's. An empty list takes all of them away.
    :param str subprotocol: WebSocket subprotocol to choose; one of those the client offers.
    :param states: Values to merge into the connection's state; JSON values only. The state travels in a header of each
        later event, so keep it small.
    :type states: dict[str, Any]
    :param mqtt_user_properties: User properties of the CONNACK packet (MQTT 5.0), pairs of name and value.
    :type mqtt_user_properties: list[tuple[str, str]]
    :raises TypeError: if a value has another type, e.g. a str where a list of str belongs
    """

    user_id: str | None = None
    groups: list[str] | None = None
    roles: list[str] | None = None
    subprotocol: str | None = None
    states: Mapping[str, Any] | None = None
    mqtt_user_properties: Sequence[tuple[str, str]] = ()

    def __post_init__(self) -> None:
        _check_text("user_id", self.user_id)
        _check_names("groups", self.groups)
        _check_names("roles", self.roles)
        _check_text("subprotocol", self.subprotocol)
        _check_states(self.states)


@dataclass(frozen=True)
class UserEventResponse:
    """Answer a user event with a message to its connection.

    :param data: str, bytes, or any JSON value. None sends no message.
    :param str data_type: ``text``, ``json`` or ``binary``. Not given: ``text`` for a str, ``binary`` for bytes,
        ``json`` for the rest.
    :param states: Values to merge into the connection's state; JSON values only.
    :type states: dict[str, Any]
    :param metadata: Metadata of the message: ASCII keys and values, at most 8,192 bytes in all. The service is known to
        keep only what follows the last comma of a value.
    :type metadata: dict[str, str]
    :raises TypeError: if data does not fit data_type
    :raises ValueError: if data_type is unknown, or metadata cannot travel in headers
    """

    data: Any = None
    data_type: ReplyDataType | None = None
    states: Mapping[str, Any] | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        binary = isinstance(self.data, (bytes, bytearray, memoryview))
        if self.data_type not in (None, "text", "json", "binary"):
            raise ValueError(f"data_type must be 'text', 'json' or 'binary', not {self.data_type!r}")
        if self.data_type == "text" and not isinstance(self.data, str):
            raise TypeError(f"data must be a str for data_type 'text', not {type(self.data).__name__}")
        if self.data_type == "binary" and not binary:
            raise TypeError(f"data must be bytes for data_type 'binary', not {type(self.data).__name__}")
        if self.data_type == "json" and binary:
            raise TypeError("data must be a JSON value for data_type 'json', not bytes")
        _check_states(self.states)
        _check_metadata(self.metadata)


@dataclass(frozen=True)
class EventErrorResponse:
    """Refuse a connection, or let a user event fail.

    The status becomes the client's handshake status. A user event that fails closes a simple client's connection, and
    gives the others a failed acknowledgement.

    :param int status: 400, 401, 403 or 500. The service may repeat an event that got 500.
    :param str text: Why, for the service's logs; a client does not see it, except an MQTT one.
    :param int mqtt_code: Reason code of the CONNACK packet for an MQTT client. Not given: the one that fits the status.
    :raises ValueError: if the status is another one, or the code is not one of a byte
    """

    status: RejectionStatus
    text: str = ""
    mqtt_code: int | None = None

    def __post_init__(self) -> None:
        if self.status not in (400, 401, 403, 500):
            raise ValueError(f"status must be 400, 401, 403 or 500, not {self.status!r}")
        _check_text("text", self.text)
        if self.mqtt_code is not None and not 0 < self.mqtt_code < 256:  # noqa: PLR2004 - one byte; 0 means accepted
            raise ValueError(f"mqtt_code must be a reason code from 1 to 255, not {self.mqtt_code!r}")


JsonValue = str | int | float | bool | Mapping[str, Any] | Sequence[Any]
ConnectReply = ConnectResponse | EventErrorResponse | None
UserEventReply = UserEventResponse | EventErrorResponse | JsonValue | bytes | None


@dataclass(frozen=True)
class EventHandlerResponse:
    """The HTTP response for the service, whatever framework sends it.

    :ivar int status: Status code.
    :ivar headers: Headers, one value each. No ``Content-Length``: the framework adds it.
    :vartype headers: dict[str, str]
    :ivar bytes body: Body.
    """

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def _check_metadata(metadata: Mapping[str, str]) -> None:
    total = 0
    for key, value in metadata.items():
        if not isinstance(key, str) or not re.fullmatch(_METADATA_KEY, key):
            raise ValueError(f"metadata key {key!r} must be 1 to 256 of the characters an HTTP header name takes")
        if not isinstance(value, str) or not re.fullmatch(_METADATA_VALUE, value):
            raise ValueError(f"metadata value of {key!r} must be a str of at most 1,024 printable ASCII characters")
        total += len(key) + len(value)
    if total > _METADATA_TOTAL:
        raise ValueError(f"metadata must be at most {_METADATA_TOTAL:,} bytes in all, not {total:,}")
