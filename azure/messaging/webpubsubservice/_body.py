"""The body of a send: any value a caller may give, as bytes and a content type.

Everything becomes bytes here, once: the service takes no chunked bodies and no message above 1 MiB, and a body in
memory can be measured and sent again. Nothing here does I/O but to read the stream that the caller handed over.
"""

from __future__ import annotations

import json as jsonlib
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from typing import IO, Any

from ._names import text

JSON = "application/json"
TEXT = "text/plain"
BINARY = "application/octet-stream"

Content = str | bytes | bytearray | memoryview | IO[bytes] | IO[str] | Iterable[bytes]

_TAKEN = "str, bytes, bytearray, memoryview, a file or stream opened for reading, or an iterator of bytes"
_BYTES = (bytes, bytearray, memoryview)


class _Unset:
    """The mark of a body that was not given: ``None`` is a value, JSON's null."""

    def __repr__(self) -> str:
        return "<not given>"


UNSET: Any = _Unset()


def encode_body(json: Any, content: Content | None, content_type: str | None) -> tuple[str | bytes, str]:
    """Return body and content type for a builder's ``json`` or ``content``; text stays text, as in 1.0.0b1.

    :param json: A value to serialise, or ``UNSET``. ``None`` is JSON's null, unless there is ``content``.
    :param content_type: The caller's content type: it is taken as it stands.
    """
    if content is None and json is UNSET:
        raise ValueError("give a body: 'json' for a value to serialise, or 'content' for text, bytes or a stream")
    if content is None:
        return to_json(json, "json"), text(content_type) or JSON
    if json is not UNSET and json is not None:
        raise ValueError("give either 'json' or 'content', not both")
    body, usual = _read(content, "content")
    return (text(content) if isinstance(content, str) else body), text(content_type) or usual


def encode_message(message: Any, content_type: str | None) -> tuple[bytes, str]:
    """Return body and content type for the ``message`` of a send.

    :param message: Without a content type, bytes and binary streams are sent as binary and anything else as JSON.
    :param content_type: One of the three types of the service, parameters such as ``charset`` allowed.
    """
    content_type = text(content_type)
    kind = (content_type or JSON).partition(";")[0].strip().lower()
    if kind not in {JSON, TEXT, BINARY}:
        raise ValueError(f"content_type {content_type!r} is none of the service's: '{JSON}', '{TEXT}' and '{BINARY}'")
    is_content = isinstance(message, (str, *_BYTES, Iterator)) or hasattr(message, "read")
    if is_content and not (isinstance(message, str) and kind == JSON):
        body, usual = _read(message, "message")
        # A text stream under no type is JSON text; only bytes are binary by themselves.
        return body, content_type or (BINARY if usual == BINARY else JSON)
    if kind == BINARY:
        wrong = f"message of type {type(message).__name__} cannot be sent as '{BINARY}'"
        raise TypeError(f"{wrong}: give {_TAKEN}, or leave content_type out to send it as JSON")
    return to_json(message, "message"), content_type or JSON


def to_json(value: Any, parameter: str) -> bytes:
    """Return ``value`` as JSON text in UTF-8."""
    try:
        # The one thing that UTF-8 cannot carry is half of a surrogate pair: its escape is JSON's too.
        return _JSON_ENCODER.encode(value).encode("utf-8", "backslashreplace")
    except RecursionError:
        raise ValueError(f"{parameter} cannot be written as JSON: it is nested too deep") from None
    except ValueError as error:
        raise ValueError(f"{parameter} cannot be written as JSON: {error}") from error
    except TypeError as error:
        raise TypeError(
            f"{parameter} cannot be written as JSON: {error}; give values of JSON's types (dict, list, str, int,"
            f" float, bool, None) or dates, or give bytes to send binary data"
        ) from error


def _azure_json(value: Any) -> Any:
    # Dates, durations and nested bytes are written as every Azure library writes them.
    from azure.core.serialization import AzureJSONEncoder

    return AzureJSONEncoder().default(value)


_JSON_ENCODER = jsonlib.JSONEncoder(allow_nan=False, ensure_ascii=False, default=_azure_json)


def _read(content: Any, parameter: str) -> tuple[bytes, str]:
    """Return bytes, and the content type that such content has by itself."""
    if hasattr(content, "read"):
        return _as_bytes(content.read(), parameter)
    if not isinstance(content, (str, *_BYTES, Mapping)) and isinstance(content, Iterable):
        return b"".join(_as_bytes(piece, parameter)[0] for piece in content), BINARY
    return _as_bytes(content, parameter)


def _as_bytes(piece: Any, parameter: str) -> tuple[bytes, str]:
    if isinstance(piece, _BYTES):
        return bytes(piece), BINARY
    if isinstance(piece, str):
        try:
            return piece.encode(), TEXT
        except UnicodeEncodeError as error:
            raise ValueError(f"{parameter} is not text that UTF-8 can carry: {error.reason}") from error
    if isinstance(piece, Coroutine):
        piece.close()  # or it would warn that nobody awaited it
        raise TypeError(f"{parameter} is an asynchronous stream, which has to be read first: await stream.read()")
    raise TypeError(f"{parameter} must be {_TAKEN}, not {type(piece).__name__}; give other values as 'json'")
