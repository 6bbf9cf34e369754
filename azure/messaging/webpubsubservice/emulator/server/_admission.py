"""Who may connect as a client, and as what: the judgement before the WebSocket upgrade (service facts, Handshake).

A visitor comes in; a guest or a :class:`Refusal` with an HTTP status goes out. Rule: no I/O; the connection itself is
opened by the hub.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..hub import _events as on
from ..hub._names import is_group
from ..protocols._handshake import Guest, Refusal, Visitor
from ..protocols._subprotocols import ClientProtocol, Protocols, SimpleProtocol
from ..protocols._websocket import accept_key
from ..rest._errors import ServiceError
from ..rest._origin import Origin
from ..rest._requests import check_hub, decode_segment
from ..rest._tokens import TokenError, Tokens
from ..webhooks._answers import ConnectOutcome

_CLIENT = re.compile(r"/client/?|/client(?P<mqtt>s/mqtt)?/hubs/(?P<hub>[^/]*)/?", re.IGNORECASE)
_SOCKET_IO = re.compile(r"/clients/socketio/hubs/[^/]*/?.*", re.IGNORECASE | re.DOTALL)
_MQTT, _MQTT_PATH = "mqtt", "/clients/mqtt/"


class Admission:
    """The judge of one service.

    :param tokens: Judge of tokens.
    :param protocols: Subprotocols there are.
    :param allows_anonymous: Tells whether clients may come into a hub without a token.
    """

    def __init__(self, tokens: Tokens, protocols: Protocols, allows_anonymous: Callable[[str], bool]) -> None:
        self._tokens = tokens
        self._protocols = protocols
        self._allows_anonymous = allows_anonymous

    def judge(self, visitor: Visitor, origin: Origin, now: float) -> Guest:
        """Return the guest that a visitor is.

        :param visitor: The upgrade request.
        :param origin: Where it came in.
        :param float now: The time.
        :raises Refusal: if it may not come in.
        """
        hub, path = _hub_of(visitor)
        accept = _check_handshake(visitor)
        offered = [name for part in visitor.header("sec-websocket-protocol").split(",") if (name := part.strip())]
        is_mqtt = path.startswith(_MQTT_PATH)
        chosen = _choose_mqtt(offered) if is_mqtt else self._protocols.choose(offered)
        echo, protocol = chosen if chosen else (None, None)
        connection_id, recovery = visitor.parameter("awps_connection_id"), visitor.parameter("awps_reconnection_token")
        if connection_id and recovery and protocol is not None and not is_mqtt:
            # The token may have expired long ago: what counts now is the reconnection token.
            return Guest(hub, accept, protocol, echo, recovers=on.Recover(connection_id, recovery))
        claims = self._claims(visitor, hub, origin.hosts, path, now)
        groups = _strings(claims.get("webpubsub.group"))
        if is_mqtt:
            # The documents of MQTT call it by another name than the SDKs write.
            groups += _strings(claims.get("group"))
        if not all(map(is_group, groups)):
            text = "The token contains an invalid group name."
            raise Refusal(400, text, body=text)
        user_id = claims.get("sub")
        return Guest(
            hub,
            accept,
            protocol or _simple(visitor),
            echo,
            offered,
            user_id if isinstance(user_id, str) and user_id else None,
            groups,
            _strings(claims.get("role")),
            claims,
            known_as=origin.name,
            is_mqtt=is_mqtt,
        )

    def _claims(self, visitor: Visitor, hub: str, hosts: Collection[str], path: str, now: float) -> Mapping[str, Any]:
        token = visitor.token()
        if token is None and self._allows_anonymous(hub):
            return {}
        try:
            return self._tokens.check_client(token, now, hosts, path)
        except TokenError as error:
            text = str(error)
            if token is None:
                text += f"; the hub {hub!r} lets nobody in without one, unless told so:"
                text += f" allow_anonymous=[{hub!r}], --allow-anonymous {hub}"
            raise Refusal(401, text) from None

    def adopt(self, guest: Guest, outcome: ConnectOutcome) -> Guest:
        """Return the guest as the ``connect`` handler wants it (service facts, Answers)."""
        guest = replace(
            guest,
            user_id=guest.user_id if outcome.user_id is None else outcome.user_id or None,
            groups=guest.groups if outcome.groups is None else outcome.groups,
            roles=guest.roles if outcome.roles is None else outcome.roles,
        )
        wanted = (outcome.subprotocol or "").lower()
        echo = next((name for name in guest.offered if name.lower() == wanted), None)
        if echo is None or guest.is_mqtt:
            return guest
        # A client of a subprotocol that only the handler knows is a simple client under that name.
        simple = guest.protocol if isinstance(guest.protocol, SimpleProtocol) else SimpleProtocol()
        return replace(guest, echo=echo, protocol=self._protocols.get(echo) or simple)


def _hub_of(visitor: Visitor) -> tuple[str, str]:
    """Return the hub in lower case, and the path a token has to be for."""
    if _SOCKET_IO.fullmatch(visitor.raw_path):
        text = "The emulator does not speak Socket.IO."
        raise Refusal(501, text, body=text)
    match = _CLIENT.fullmatch(visitor.raw_path)
    if not match:
        raise Refusal(404, "no client connects to this path")
    name = decode_segment(match["hub"]) if match["hub"] is not None else visitor.parameter("hub") or ""
    try:
        hub = check_hub(name)
    except ServiceError as error:
        raise Refusal(400, error.message, body=error.message) from None
    if match["mqtt"]:
        return hub, f"{_MQTT_PATH}hubs/{hub}"
    # The old spelling, /client/?hub=, takes tokens for either path.
    return hub, f"/client/hubs/{hub}" if match["hub"] is not None else "/client/"


def _choose_mqtt(offered: Sequence[str]) -> tuple[str, ClientProtocol]:
    """Return MQTT as the client spells it; which version it speaks comes later, with CONNECT."""
    from ..protocols.mqtt._protocol import PROTOCOLS

    echo = next((name for name in offered if name.lower() == _MQTT), None)
    if echo is None:
        text = "MQTT clients connect with the WebSocket subprotocol 'mqtt'."
        raise Refusal(400, text, body=text)
    return echo, PROTOCOLS[4]


def _check_handshake(visitor: Visitor) -> str:
    upgrade = [part.strip().lower() for part in visitor.header("upgrade").split(",")]
    connection = [part.strip().lower() for part in visitor.header("connection").split(",")]
    if visitor.method != "GET" or "websocket" not in upgrade or "upgrade" not in connection:
        text = "This is where WebSocket clients connect."
        raise Refusal(400, "not a WebSocket request", body=text)
    accept = accept_key(visitor.header("sec-websocket-key"))
    if accept is None or visitor.header("sec-websocket-version") != "13":
        text = "The WebSocket handshake is malformed: version 13 and a 16-byte key are needed."
        raise Refusal(400, text, body=text)
    return accept


def _simple(visitor: Visitor) -> SimpleProtocol:
    """Return the protocol of a client without one; its mode is in the query (service facts, Simple clients)."""
    mode = (visitor.parameter("webpubsub_mode") or "sendEvent").lower()
    if mode == "sendevent":
        return SimpleProtocol()
    groups = visitor.parameters("group")
    if mode != "sendtogroup" or len(groups) != 1 or not is_group(groups[0]):
        text = "webpubsub_mode is sendEvent, or sendToGroup with exactly one group."
        raise Refusal(400, text, body=text)
    no_echo = (visitor.parameter("noecho") or "").lower() == "true"
    return SimpleProtocol(group=groups[0], no_echo=no_echo)


def _strings(claim: object) -> list[str]:
    """Return the values of a claim that is a string or an array of them."""
    values = claim if isinstance(claim, list) else [claim]
    return [value for value in values if isinstance(value, str)]
