"""The subprotocols a client can speak, each as one object: what a message means, and how a frame is written.

A protocol turns bytes into frame values and back and keeps no state. ``None`` from ``decode`` asks for nothing; from
``encode`` it is a frame that such a client does not get.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ..hub._frames import BadFrame, ClientFrame, Event, Message, Payload, SendToGroup, ServerFrame
from . import _json
from ._websocket import BINARY, TEXT, build_frame, build_header


class Numbered:
    """A message for many reliable clients: what their frames share is there once, the number sets each apart.

    :param int opcode: Kind of the WebSocket message.
    :param write: Gives the parts of the payload under a sequence id; large ones are the same objects each time.
    """

    __slots__ = ("_frame", "_opcode", "_sequence_id", "_write", "size")

    def __init__(self, opcode: int, write: Callable[[int], Sequence[bytes]]) -> None:
        self._opcode = opcode
        self._write = write
        # The frame that was asked for last: clients that came at the same time have the same numbers.
        self._sequence_id = 1
        self._frame = self._build(1)
        #: Bytes of a frame, give or take the digits of its number.
        self.size: int = len(self._frame)

    def parts(self, sequence_id: int) -> list[bytes]:
        """Return a whole WebSocket frame in parts."""
        parts = self._write(sequence_id)
        return [build_header(self._opcode, sum(map(len, parts))), *parts]

    def frame(self, sequence_id: int) -> bytes:
        """Return a whole WebSocket frame."""
        if sequence_id != self._sequence_id:
            self._sequence_id = sequence_id
            self._frame = self._build(sequence_id)
        return self._frame

    def _build(self, sequence_id: int) -> bytes:
        return build_frame(self._opcode, b"".join(self._write(sequence_id)))


class ClientProtocol(Protocol):
    """What the server needs of a subprotocol."""

    #: Name as it is negotiated, None for a simple client.
    name: str | None
    #: Whether messages are numbered and the connection can be recovered.
    reliable: bool

    def decode(self, opcode: int, data: bytes) -> ClientFrame | None:
        """Return the frame that one message holds."""

    def encode(self, frame: ServerFrame) -> bytes | None:
        """Return a whole WebSocket frame."""

    def numbered(self, message: Any) -> Numbered:
        """Return what gives the WebSocket frames of ``message`` (of a packet, for MQTT) under its numbers."""


class SimpleProtocol:
    """A client without a subprotocol (service facts, Simple clients): bare data both ways, no envelope, no acks.

    :keyword str group: Every message is published to this group instead of raising the event ``message``.
    :keyword bool no_echo: Whether the sender is left out then.
    """

    def __init__(self, *, group: str | None = None, no_echo: bool = False) -> None:
        self.name: str | None = None
        self.reliable: bool = False
        self._group = group
        self._no_echo = no_echo

    def decode(self, opcode: int, data: bytes) -> ClientFrame:
        """Return the event ``message``, or the message to the group of the ``sendToGroup`` mode."""
        payload = Payload("text" if opcode == TEXT else "binary", data)
        if self._group is None:
            return Event("message", payload)
        return SendToGroup(self._group, payload, no_echo=self._no_echo)

    def encode(self, frame: ServerFrame) -> bytes | None:
        """Return the bare data of a message; there are no other frames."""
        if not isinstance(frame, Message):
            return None
        return build_frame(_opcode(frame), frame.payload.data)

    def numbered(self, message: Message) -> Numbered:
        """Return the frames without a number: simple clients have none."""
        return Numbered(_opcode(message), lambda _: (message.payload.data,))


def _opcode(message: Message) -> int:
    return TEXT if message.payload.type in ("text", "json") else BINARY


class JsonProtocol:
    """``json.webpubsub.azure.v1`` and its reliable form.

    :param str name: Name as it is negotiated.
    :keyword bool text_only: Whether UTF-8 in binary messages is refused, as Microsoft's emulator does.
    """

    def __init__(self, name: str, *, text_only: bool = False) -> None:
        self.name: str | None = name
        self.reliable: bool = "reliable" in name
        self._text_only = text_only

    def decode(self, opcode: int, data: bytes) -> ClientFrame | None:
        """Return the frame, or None for one that asks for nothing.

        :raises BadFrame: if it is no frame of the protocol.
        """
        if opcode != TEXT and self._text_only:
            raise BadFrame("The JSON subprotocol requires text messages.", 1003)
        return _json.parse_frame(data)

    def encode(self, frame: ServerFrame) -> bytes:
        """Return the frame in a text message."""
        return build_frame(TEXT, _json.format_frame(frame))

    def numbered(self, message: Message) -> Numbered:
        """Return the frames of a message, whose text is written once."""
        return Numbered(TEXT, _json.message_parts(message))


class ProtobufProtocol:
    """``protobuf.webpubsub.azure.v1`` and its reliable form; the protobuf runtime is loaded with the first client.

    :param str name: Name as it is negotiated.
    :keyword bool json_as_text: Whether JSON goes to clients as text, as older documents have it.
    """

    def __init__(self, name: str, *, json_as_text: bool = False) -> None:
        self.name: str | None = name
        self.reliable: bool = "reliable" in name
        self._json_as_text = json_as_text

    def decode(self, opcode: int, data: bytes) -> ClientFrame | None:
        """Return the frame, or None for one that asks for nothing.

        :raises BadFrame: if it is no frame of the protocol.
        """
        from . import _protobuf

        if opcode != BINARY:
            raise BadFrame("The protobuf subprotocol requires binary messages.", 1003)
        return _protobuf.parse_frame(data)

    def encode(self, frame: ServerFrame) -> bytes:
        """Return the frame in a binary message."""
        from . import _protobuf

        return build_frame(BINARY, _protobuf.format_frame(frame, json_as_text=self._json_as_text))

    def numbered(self, message: Message) -> Numbered:
        """Return the frames of a message, which is serialised once."""
        from . import _protobuf

        return Numbered(BINARY, _protobuf.message_parts(message, json_as_text=self._json_as_text))


JSON = "json.webpubsub.azure.v1"
JSON_RELIABLE = "json.reliable.webpubsub.azure.v1"
PROTOBUF = "protobuf.webpubsub.azure.v1"
PROTOBUF_RELIABLE = "protobuf.reliable.webpubsub.azure.v1"


class Protocols:
    """The subprotocols of one emulator, by name.

    :keyword bool text_only: Whether JSON clients may only send text messages.
    :keyword bool json_as_text: Whether JSON goes to protobuf clients as text.
    """

    def __init__(self, *, text_only: bool = False, json_as_text: bool = False) -> None:
        self._by_name: dict[str, ClientProtocol] = {
            JSON: JsonProtocol(JSON, text_only=text_only),
            JSON_RELIABLE: JsonProtocol(JSON_RELIABLE, text_only=text_only),
            PROTOBUF: ProtobufProtocol(PROTOBUF, json_as_text=json_as_text),
            PROTOBUF_RELIABLE: ProtobufProtocol(PROTOBUF_RELIABLE, json_as_text=json_as_text),
        }

    def choose(self, offered: Sequence[str]) -> tuple[str, ClientProtocol] | None:
        """Return the first name in the client's order that is known, as the client spells it, and its protocol."""
        for name in offered:
            protocol = self.get(name)
            if protocol is not None:
                return name, protocol
        return None

    def get(self, name: str) -> ClientProtocol | None:
        """Return the protocol of that name (in any case), or None."""
        return self._by_name.get(name.lower())
