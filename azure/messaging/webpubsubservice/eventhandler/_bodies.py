"""Bodies of either direction: content types, charsets, JSON. Bytes in, values out, and back; nothing about events.

Every failure to read is an `InvalidEventError`: whatever bytes come in, no other exception leaves this file.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

# The charsets of the web platform. Python knows more codecs, and some of them do not terminate in linear time, run
# escapes or are no charsets at all; looking up an unknown name costs memory that is never given back. Patterns of this
# package are compiled at their first use, as compiling them would be a good part of its import time.
_CHARSETS = (
    r"utf-?8|utf-?(16|32)(-?[lb]e)?|(us-)?ascii|iso-?8859-([1-9]|1[013-6])|latin-?1|windows-125[0-8]|koi8-[ru]"
    r"|gb2312|gbk|gb18030|big5|shift_jis|euc-jp|euc-kr|iso-2022-jp"
)
_CHARSET_PARAMETER = r';\s*charset\s*=\s*"?([^\s";]*)'


class InvalidEventError(ValueError):
    """A request that is no event of the service: the HTTP status it deserves, and a reason for the answer."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.reason: str = reason
        self.status: int = status


def read_length(text: str) -> int | None:
    """Return the number of a ``Content-Length``, or None if it is no number; one beyond all bodies is not exact."""
    if not (text.isascii() and text.isdecimal()):
        return None
    return int(text.lstrip("0")[:20] or "0")


def parse_content_type(value: str) -> tuple[str, str]:
    """Split a ``Content-Type`` into the media type, in lower case, and the charset (UTF-8 if it names none).

    :raises InvalidEventError: if the charset is unknown
    """
    media_type = value.partition(";")[0].strip().lower()
    named = re.search(_CHARSET_PARAMETER, value, re.IGNORECASE | re.ASCII)
    charset = named[1] if named else "utf-8"
    if not re.fullmatch(_CHARSETS, charset, re.IGNORECASE | re.ASCII):
        raise InvalidEventError("the charset of Content-Type is unknown")
    return media_type, charset


def decode_text(body: bytes, charset: str, what: str = "the body") -> str:
    """Decode text strictly.

    :raises InvalidEventError: if the bytes are not text in that charset
    """
    try:
        return body.decode(charset)
    except (UnicodeError, LookupError):
        raise InvalidEventError(f"{what} is not {charset.lower()} text") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError("a number is too large for a float")
    return value


def parse_json(body: bytes, charset: str, what: str = "the body") -> Any:
    """Parse JSON, of which nothing comes out that JSON could not carry back: no NaN, no infinity.

    :raises InvalidEventError: if the bytes are not JSON, or nest too deeply
    """
    text = decode_text(body, charset, what)
    try:
        return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError):
        raise InvalidEventError(f"{what} is not JSON") from None


def dump_json(value: object) -> bytes:
    """Write compact JSON in UTF-8, the text as short as the official handlers write it.

    :raises TypeError: if the value is not a JSON value
    :raises ValueError: if it holds NaN, infinity or itself
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    try:
        return text.encode()
    except UnicodeEncodeError:  # a lone surrogate, which only an escape can carry
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
