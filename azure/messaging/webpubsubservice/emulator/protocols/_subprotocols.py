"""The subprotocols a client can speak, each as one object: what a message means, and how a frame is written.

A protocol turns bytes into frame values and back and keeps no state. ``None`` from ``decode`` asks for nothing; from
``encode`` it is a frame that such a client does not get.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ..hub._frames import BadFrame, ClientFrame, Event, Message, Payload, SendToGroup, ServerFrame
from . import _json
from ._websocket import BINARY, TEXT, build_frame


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

    def numbered(self, message: Any) -> Callable[[int], bytes]:
        """Return a function that gives the WebSocket frame of ``message`` (of a packet, for MQTT) under a number."""


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
        return build_frame(TEXT if frame.payload.type in ("text", "json") else BINARY, frame.payload.data)

    def numbered(self, message: Message) -> Callable[[int], bytes]:
        """Return the frame without a number: simple clients have none."""
        frame = self.encode(message) or b""
        return lambda _: frame


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

    def numbered(self, message: Message) -> Callable[[int], bytes]:
        """Return a function that adds a sequence id to text that is written once."""
        text = _json.format_message(message)
        return lambda sequence_id: build_frame(TEXT, text(sequence_id))


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

    def numbered(self, message: Message) -> Callable[[int], bytes]:
        """Return a function that adds a sequence id to what is written once."""
        from . import _protobuf

        write = _protobuf.format_message(message, json_as_text=self._json_as_text)
        return lambda sequence_id: build_frame(BINARY, write(sequence_id))


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
