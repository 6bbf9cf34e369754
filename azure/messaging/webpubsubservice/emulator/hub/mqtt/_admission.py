"""Which CONNECT packets the service takes, and what it makes of them; the event handler is asked after that."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from . import _codes as codes
from ._packets import MQTT_3, MQTT_5, Connect, Properties, Will
from ._topics import event_of, has_wildcard, is_public

#: Messages at QoS 2 that a client may have under way to the service.
RECEIVE_MAXIMUM = 1000
MAX_KEEP_ALIVE = 180
MAX_PACKET = 1024 * 1024
_MAX_WILL = 2000
_CLIENT_ID = re.compile(r"[0-9A-Za-z]{1,128}", re.ASCII)
_LENIENT_CLIENT_ID = re.compile(r"[0-9A-Za-z_-]{1,128}", re.ASCII)


class ConnectRefused(Exception):  # noqa: N818 - a verdict on a client
    """The client is not let in; the text says why.

    :param str message: Why.
    :param int code: Code of MQTT 5.0.
    """

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code: int = code


@dataclass(frozen=True, slots=True)
class Admitted:
    """A CONNECT packet with what the service has made of it.

    ``packet`` has the client id and the keep-alive that count, ``expiry`` is how long the session outlives its socket,
    ``granted`` is what CONNACK says of all this.
    """

    packet: Connect
    expiry: float
    granted: Properties


def admit(packet: Connect, assigned_id: str, longest_expiry: float, *, lenient: bool) -> Admitted:
    """Return what the service makes of a CONNECT packet.

    :param packet: The packet.
    :param str assigned_id: Client id for a client without one.
    :param float longest_expiry: Seconds that a session may outlive its socket.
    :keyword bool lenient: Whether client ids may hold ``_`` and ``-``.
    :raises ConnectRefused: if it does not take it.
    """
    if packet.properties.authentication_method is not None:
        raise ConnectRefused("enhanced authentication is not supported", codes.BAD_AUTH_METHOD)
    _check_client_id(packet, lenient=lenient)
    if packet.will is not None:
        _check_will(packet.will)
    keep_alive = packet.keep_alive
    if not 1 <= keep_alive <= MAX_KEEP_ALIVE:
        if packet.version == MQTT_3:
            text = f"a keep-alive of {keep_alive} seconds: it has to be 1 to {MAX_KEEP_ALIVE} in MQTT 3.1.1"
            raise ConnectRefused(text, codes.UNSPECIFIED)
        keep_alive = MAX_KEEP_ALIVE
    asked = _asked_expiry(packet, longest_expiry)
    expiry = min(asked, longest_expiry)
    granted = Properties(
        session_expiry_interval=int(expiry) if asked > expiry else None,
        assigned_client_identifier=None if packet.client_id else assigned_id,
        server_keep_alive=None if keep_alive == packet.keep_alive else keep_alive,
        receive_maximum=RECEIVE_MAXIMUM,
        retain_available=0,
        maximum_packet_size=MAX_PACKET,
        wildcard_subscription_available=0,
        shared_subscription_available=0,
    )
    packet = replace(packet, client_id=packet.client_id or assigned_id, keep_alive=keep_alive)
    return Admitted(packet, expiry, granted)


def _check_client_id(packet: Connect, *, lenient: bool) -> None:
    client_id = packet.client_id
    if not client_id:
        if packet.version == MQTT_3 and not packet.clean_start:
            text = "an empty client id needs a clean session in MQTT 3.1.1"
            raise ConnectRefused(text, codes.BAD_CLIENT_ID)
    elif not (_LENIENT_CLIENT_ID if lenient else _CLIENT_ID).fullmatch(client_id):
        text = f"the client id {client_id[:200]!r}: it has to be 1 to 128 letters and digits"
        if _LENIENT_CLIENT_ID.fullmatch(client_id):
            text += "; the emulator takes '_' and '-' as well with mqtt_lenient_client_ids=True"
        raise ConnectRefused(text, codes.BAD_CLIENT_ID)


def _check_will(will: Will) -> None:
    if will.retain:
        raise ConnectRefused("the will is to be retained, which is not supported", codes.NO_RETAIN)
    if has_wildcard(will.topic) or not (is_public(will.topic) or event_of(will.topic)):
        raise ConnectRefused("the topic of the will is not one to publish to", codes.BAD_TOPIC)
    if len(will.payload) > _MAX_WILL:
        raise ConnectRefused(f"the will is larger than {_MAX_WILL:,} bytes", codes.TOO_LARGE)


def _asked_expiry(packet: Connect, longest: float) -> float:
    if packet.version == MQTT_5:
        return float(packet.properties.session_expiry_interval or 0)
    return 0.0 if packet.clean_start else longest
