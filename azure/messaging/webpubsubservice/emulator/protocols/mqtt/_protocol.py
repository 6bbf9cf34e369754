"""MQTT as a subprotocol among the others: packets in binary WebSocket messages, one for each version."""

from __future__ import annotations

from collections.abc import Callable

from ...hub._frames import BadFrame, Disconnected, ServerFrame
from ...hub.mqtt._codes import SHUTTING_DOWN
from ...hub.mqtt._packets import MQTT_3, MQTT_5, Disconnect, Publish
from .._subprotocols import Numbered
from .._websocket import BINARY, build_frame
from ._codec import build_packet, publish_writer


class MqttProtocol:
    """MQTT of one version. What a client sends goes through a reader of its own, for packets do not keep to messages.

    :param str name: Name of the version.
    :param int version: 4 or 5.
    """

    def __init__(self, name: str, version: int) -> None:
        self.name: str | None = name
        self.reliable: bool = False
        self._version = version

    def decode(self, opcode: int, data: bytes) -> None:
        """Refuse: a message is no packet.

        :raises BadFrame: always.
        """
        raise BadFrame(f"A message ({opcode}) of {len(data)} bytes is no packet.")

    def encode(self, frame: ServerFrame) -> bytes | None:
        """Return a packet in a binary message; of the frames of other protocols there is only the last one."""
        if isinstance(frame, Disconnected):
            if self._version != MQTT_5:
                return None
            frame = Disconnect(SHUTTING_DOWN)
        return build_frame(BINARY, build_packet(frame, self._version))  # type: ignore[arg-type]  # it is a packet

    def numbered(self, message: Publish) -> Numbered:
        """Return the frames of a message, of which all but the packet identifier is written once."""
        return Numbered(BINARY, publish_writer(message, self._version))

    def fits(self, size: int) -> Callable[[Publish], bool]:
        """Return a function that tells whether a message is no larger, as a packet, than a client takes."""
        return lambda packet: sum(map(len, publish_writer(packet, self._version)(1))) <= size


PROTOCOLS = {MQTT_3: MqttProtocol("mqtt 3.1.1", MQTT_3), MQTT_5: MqttProtocol("mqtt 5.0", MQTT_5)}
