"""One MQTT client at its socket: its bytes become packets, its CONNECT is judged, and it is watched for being alive.

Loaded when the first MQTT client comes. What packets mean once the client is in is the hub's business.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from ..hub import _events as on
from ..hub.mqtt import _codes as codes
from ..hub.mqtt._admission import MAX_PACKET, Admitted, ConnectRefused, admit
from ..hub.mqtt._packets import ConnAck, Connect, Packet, Properties
from ..protocols._handshake import Guest, Visitor
from ..protocols._websocket import BINARY, WebSocketError, WebSocketMessage
from ..protocols.mqtt._fields import MqttError
from ..protocols.mqtt._protocol import PROTOCOLS
from ..protocols.mqtt._reader import PacketReader
from ..webhooks._answers import ConnectOutcome
from ..webhooks._cloudevents import ConnectionContext
from ._links import Link
from ._switchboard import LOGGER, Switchboard

#: Seconds a client has for its CONNECT packet.
CONNECT_SECONDS = 10.0
#: Largest WebSocket message: it may hold several packets, of which each is bounded by itself.
MAX_MESSAGE = 2 * MAX_PACKET
#: Packets that may wait while the event handler is asked, before nothing more is read.
_MAX_WAITING = 64
_KEEP_ALIVE_FACTOR = 1.5
_MAX_REASON = 200
_TOO_LARGE = 1009
_SILENT = "No packet has been received for 1.5 times the Keepalive time."

Adopt = Callable[[Guest, ConnectOutcome], Guest]


class MqttClient:
    """What stands between the link of an MQTT client and the hubs; it is the owner of the link.

    :param switchboard: Hubs and links.
    :param guest: Who the client is by its token.
    :param visitor: The upgrade request, for the event handler.
    :param str physical_id: Id of this socket.
    :param adopt: Makes of a guest what the event handler wants.
    """

    def __init__(
        self,
        switchboard: Switchboard,
        guest: Guest,
        visitor: Visitor,
        physical_id: str,
        adopt: Adopt,
    ) -> None:
        self._switchboard = switchboard
        self._guest = guest
        self._visitor = visitor
        self._physical_id = physical_id
        # What the record calls the client.
        self._name = physical_id
        self._adopt = adopt
        self._reader = PacketReader(MAX_PACKET)
        # Packets with their sizes, while the event handler is asked or its queue is full.
        self._waiting: deque[tuple[Packet, int]] = deque()
        self._error: MqttError | None = None
        self._asking: asyncio.Task[None] | None = None
        self._is_in = False
        self._timer: asyncio.TimerHandle | None = None
        self._silence = 0.0
        self._heard = 0.0

    def begin(self, link: Link) -> None:
        """Wait for the CONNECT packet."""
        self._switchboard.wait_for(link)
        seconds = min(CONNECT_SECONDS, self._switchboard.limits.request)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(seconds, self._close, link, f"no CONNECT packet came in {seconds:g} seconds")

    # What the link tells

    def on_message(self, link: Link, message: WebSocketMessage) -> None:
        """Take a message: any part of any number of packets."""
        if message.opcode != BINARY:
            self._fail(link, MqttError("MQTT packets come in binary messages.", codes.PROTOCOL_ERROR))
            return
        if self._error is not None:
            return  # nothing after an error can be read
        self._heard = asyncio.get_running_loop().time()
        packets, self._error = self._reader.feed(message.data)
        self._waiting += zip(packets, self._reader.sizes, strict=True)
        self._go_on(link)
        if len(self._waiting) > _MAX_WAITING:
            link.pause()

    def on_error(self, link: Link, error: WebSocketError) -> None:
        """Learn that the client has broken the WebSocket protocol."""
        code = codes.TOO_LARGE if error.code == _TOO_LARGE else codes.MALFORMED
        self._fail(link, MqttError(str(error), code))

    def on_room(self, link: Link) -> None:
        """Take what was kept back."""
        self._go_on(link)

    def on_pong(self) -> None:
        """See to the bound."""
        self._switchboard.on_pong()

    def on_unread(self, link: Link, size: int) -> None:
        """Count what waits for the client."""
        self._switchboard.on_unread(link, size)

    def on_end(self, link: Link, code: int | None, reason: str) -> None:
        """Learn that the socket is gone."""
        if self._timer is not None:
            self._timer.cancel()
        if self._asking is not None:
            self._asking.cancel()
        self._switchboard.on_end(link, code, reason)

    # Packets

    def _go_on(self, link: Link) -> None:
        while self._waiting and self._asking is None and not link.is_closing and not link.is_paused:
            packet, size = self._waiting.popleft()
            if isinstance(packet, Connect):
                self._connect(link, packet, size)
            else:
                self._switchboard.take_packet(link, packet, size)
        if self._error is not None and self._asking is None and not self._waiting and not link.is_closing:
            self._fail(link, self._error)

    def _connect(self, link: Link, packet: Connect, size: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        hub = self._switchboard.find_hub(link.hub)
        link.protocol = PROTOCOLS[packet.version]
        # The record is for people to read.
        self._name = packet.client_id or self._physical_id
        self._switchboard.note(link.hub, "received", self._name, replace(packet, password=None), size)
        try:
            admitted = admit(packet, secrets.token_hex(16), hub.recovery_seconds, lenient=hub.mqtt.lenient_client_ids)
        except ConnectRefused as refusal:
            self._refuse(link, codes.connack_code(refusal.code, packet.version), str(refusal), _reason(str(refusal)))
            return
        self._asking = asyncio.get_running_loop().create_task(self._ask(link, admitted))

    async def _ask(self, link: Link, admitted: Admitted) -> None:
        packet = admitted.packet
        desk = self._switchboard.desk
        try:
            outcome = await desk.connect_mqtt(self._guest, self._visitor, packet, self._physical_id)
        except Exception:
            LOGGER.exception("The event 'connect' of the MQTT client %s could not be handled.", packet.client_id)
            outcome = ConnectOutcome(500, why="the event 'connect' could not be handled")
        self._asking = None
        if link.is_closing:
            return
        if outcome.is_accepted:
            self._let_in(link, admitted, outcome)
        else:
            code = codes.refusal_code(outcome.code, outcome.status, packet.version)
            # Why is for the log; what the client is told is the handler's business.
            told = Properties(reason_string=outcome.reason or None, user_property=outcome.user_properties)
            self._refuse(link, code, outcome.why, told)
        link.resume()
        self._go_on(link)

    def _let_in(self, link: Link, admitted: Admitted, outcome: ConnectOutcome) -> None:
        packet, guest = admitted.packet, self._adopt(self._guest, outcome)
        hub = self._switchboard.enter_hub(link.hub)
        size = packet.properties.maximum_packet_size
        fits = PROTOCOLS[packet.version].fits(size) if size is not None and size < MAX_PACKET else None
        event = on.OpenMqtt(
            admitted,
            secrets.token_urlsafe(16),
            guest.user_id,
            guest.groups,
            guest.roles,
            outcome.user_properties,
            fits,
            guest.known_as,
        )
        effects = self._switchboard.handle(hub, event)
        at, attached = next(
            ((at, each) for at, each in enumerate(effects) if isinstance(each, on.Attached | on.NotAttached))
        )
        if isinstance(attached, on.NotAttached):
            self._switchboard.carry_out(hub, effects)
            self._refuse(link, codes.connack_code(attached.code, packet.version), attached.why, _reason(attached.why))
            return
        # What comes first is for the socket that had the session so far.
        self._switchboard.carry_out(hub, effects[:at])
        link.connection_id = packet.client_id
        self._is_in = True
        self._switchboard.attach(link, guest.user_id)
        context = ConnectionContext(
            link.hub,
            packet.client_id,
            guest.user_id,
            guest.echo,
            origin=guest.known_as,
            physical_id=self._physical_id,
            session_id=attached.session_id,
        )
        if attached.is_new:
            self._switchboard.note_opened(link, guest)
        self._switchboard.desk.opened_mqtt(context, outcome.state, is_new=attached.is_new)
        self._switchboard.carry_out(hub, effects[at:])
        LOGGER.info(
            "hub %s, connection %s: %s as %s, user %r, groups %s, roles %s",
            link.hub,
            packet.client_id,
            "opened" if attached.is_new else "taken up again",
            link.protocol.name,
            guest.user_id,
            list(guest.groups),
            list(guest.roles),
        )
        self._watch(link, packet.keep_alive)

    # Being alive

    def _watch(self, link: Link, keep_alive: int) -> None:
        self._silence = _KEEP_ALIVE_FACTOR * keep_alive
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._heard = loop.time()
        self._timer = loop.call_later(self._silence, self._check, link)

    def _check(self, link: Link) -> None:
        loop = asyncio.get_running_loop()
        # To a client from which nothing is read, nothing can be held against.
        left = self._silence if link.is_paused else self._heard + self._silence - loop.time()
        if left <= 0:
            self._switchboard.misbehave(link, _SILENT, codes.KEEP_ALIVE_TIMEOUT)
        else:
            self._timer = loop.call_later(left, self._check, link)

    # The end

    def _fail(self, link: Link, error: MqttError) -> None:
        if self._is_in:
            self._switchboard.misbehave(link, str(error), error.code)
        elif error.version:
            link.protocol = PROTOCOLS[error.version]
            self._refuse(link, codes.connack_code(error.code, error.version), str(error), _reason(str(error)))
        else:
            self._close(link, str(error))

    def _refuse(self, link: Link, code: int | None, why: str, told: Properties) -> None:
        """Answer CONNECT with a code, if the version has one for it, and close."""
        if code is not None:
            answer = ConnAck(False, code, told)
            self._switchboard.note(link.hub, "sent", self._name, answer)
            link.write(link.protocol.encode(answer))
        self._close(link, why)

    def _close(self, link: Link, why: str) -> None:
        LOGGER.info("hub %s: an MQTT client was refused: %s", link.hub, why)
        self._switchboard.note_refusal(link.hub, why)
        if self._asking is not None:
            self._asking.cancel()
        link.close(1000)


def _reason(why: str) -> Properties:
    return Properties(reason_string=why[:_MAX_REASON])
