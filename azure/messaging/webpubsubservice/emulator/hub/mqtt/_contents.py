"""Data types of the service and content types of MQTT: the table between them, read both ways."""

from __future__ import annotations

from .._frames import DataType, Payload
from .._json_text import check_json
from ._packets import Properties, Publish

_CONTENT_TYPES: dict[DataType, str] = {
    "text": "text/plain",
    "json": "application/json",
    "protobuf": "application/x-protobuf",
    "binary": "application/octet-stream",
}
_MAX_TEXT = 65535
_DATA_TYPES: dict[str, DataType] = {content_type: data_type for data_type, content_type in _CONTENT_TYPES.items()}


def payload_of(packet: Publish) -> Payload:
    """Return what a message is to clients of the other protocols: binary, unless it says (and is) something else."""
    kind, charset = _read(packet.properties.content_type)
    data = packet.payload
    try:
        if kind in ("text", "json") and charset not in ("", "utf-8"):
            kind = "binary"
        elif kind == "json":
            data = check_json(data)
        elif kind == "text":
            data.decode("utf-8")
    except ValueError:
        kind = "binary"
    return Payload(kind, data)


def contents_of(payload: Payload, *, user_properties: tuple[tuple[str, str], ...] = ()) -> Properties:
    """Return what a message of another protocol says of itself to MQTT clients."""
    return Properties(
        content_type=_CONTENT_TYPES[payload.type],
        payload_format_indicator=1 if payload.type in ("text", "json") else None,
        user_property=user_properties,
    )


def sendable(text: str) -> str:
    """Return text as a field of MQTT can hold it: without zero characters and lone surrogates, 65,535 bytes at most."""
    return text.replace("\0", "").encode("utf-8", "replace")[:_MAX_TEXT].decode("utf-8", "ignore")


def _read(content_type: str | None) -> tuple[DataType, str]:
    """Return the data type, and the character set in lower case if one is named."""
    media_type, _, parameters = (content_type or "").partition(";")
    charset = ""
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            charset = value.strip().strip('"').lower()
    return _DATA_TYPES.get(media_type.strip().lower(), "binary"), charset
