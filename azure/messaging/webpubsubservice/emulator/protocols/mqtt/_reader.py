"""A client's bytes, in chunks of any size, to packets."""

from __future__ import annotations

from ...hub.mqtt._packets import ConnAck, Connect, Packet, PingResp, SubAck, UnsubAck
from ._codec import parse_packet
from ._fields import PROTOCOL_ERROR, TOO_LARGE, MqttError

_LENGTH_BYTES = 4
_CONNECT = 0x10
_OF_SERVERS = (ConnAck, SubAck, UnsubAck, PingResp)


class PacketReader:
    """Takes the bytes of one client apart. Its first packet has to be CONNECT, and says which version follows.

    :param int max_size: The largest packet accepted, in bytes.
    """

    __slots__ = ("_buffer", "_max_size", "sizes", "version")

    def __init__(self, max_size: int) -> None:
        #: Version of the client, 0 before its CONNECT packet.
        self.version: int = 0
        #: Bytes of each packet that was returned last.
        self.sizes: list[int] = []
        self._max_size = max_size
        self._buffer = bytearray()

    def feed(self, data: bytes) -> tuple[list[Packet], MqttError | None]:
        """Return the packets that ``data`` completes, and the error that follows them, if any.

        After an error nothing more can be read.
        """
        self._buffer += data
        packets: list[Packet] = []
        self.sizes = []
        at, error = 0, None
        try:
            while (bounds := self._bounds(at)) is not None:
                start, end = bounds
                packets.append(self._packet(self._buffer[at], bytes(self._buffer[start:end])))
                self.sizes.append(end - at)
                at = end
        except MqttError as met:
            error = met
        if at:
            del self._buffer[:at]
        return packets, error

    def _bounds(self, at: int) -> tuple[int, int] | None:
        """Return where the body of the packet at ``at`` begins and ends, or None while it is incomplete."""
        buffer = self._buffer
        if at < len(buffer) and not self.version and buffer[at] != _CONNECT:
            raise MqttError("The first packet has to be CONNECT.", PROTOCOL_ERROR)
        size = 0
        for index in range(_LENGTH_BYTES):
            where = at + 1 + index
            if where >= len(buffer):
                return None
            digit = buffer[where]
            size |= (digit & 0x7F) << 7 * index
            if digit < 0x80:  # noqa: PLR2004
                break
        else:
            raise MqttError("The length of a packet is longer than four bytes.")
        if index and not digit:
            raise MqttError("The length of a packet is longer than it has to be.")
        if where + 1 - at + size > self._max_size:
            raise MqttError("The packet is too large.", TOO_LARGE)
        end = where + 1 + size
        return None if len(buffer) < end else (where + 1, end)

    def _packet(self, first: int, body: bytes) -> Packet:
        packet = parse_packet(first, body, self.version)
        if isinstance(packet, Connect):
            if self.version:
                raise MqttError("There is a second CONNECT packet.", PROTOCOL_ERROR)
            self.version = packet.version
        elif isinstance(packet, _OF_SERVERS):
            raise MqttError("The packet is one that only a server sends.", PROTOCOL_ERROR)
        return packet
