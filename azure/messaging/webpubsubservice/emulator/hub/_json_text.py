"""JSON text handled as text: checked, split and made compact without changing a number or a string in it.

The service forwards a client's JSON as it is, so ``1.0`` must not become ``1`` and ``1e400`` not ``Infinity``.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

_SPACE = re.compile(r"[ \t\n\r]*")
_SPACE_OR_STRING = re.compile(r'("(?:[^"\\]+|\\.)*")|[ \t\n\r]+')
_LONGEST_NUMBER = 20  # of 2 ** 64 - 1; nothing longer is ever read as a number


class Member(NamedTuple):
    """One member of a JSON object: its value, and its text as it was written."""

    value: Any
    text: str


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_NUMBER else float(digits)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_int=_integer, parse_constant=_refuse_constant)


def parse_object(text: str) -> dict[str, Member]:
    """Return the members of a JSON object; of a repeated name, the last.

    :param str text: JSON text.
    :raises ValueError: if it is not one JSON object, or is nested too deep.
    """
    at = _skip(text, 0)
    if text[at : at + 1] != "{":
        raise ValueError("not a JSON object")
    members: dict[str, Member] = {}
    at = _skip(text, at + 1)
    if text[at : at + 1] == "}":
        return _finish(text, at, members)
    while True:
        name, at = _decode(text, at)
        at = _skip(text, at)
        if not isinstance(name, str) or text[at : at + 1] != ":":
            raise ValueError("a name and ':' expected")
        start = _skip(text, at + 1)
        value, end = _decode(text, start)
        members[name] = Member(value, text[start:end])
        at = _skip(text, end)
        mark = text[at : at + 1]
        if mark == "}":
            return _finish(text, at, members)
        if mark != ",":
            raise ValueError("',' or '}' expected")
        at = _skip(text, at + 1)


def check_json(data: bytes) -> bytes:
    """Return the bytes as they are, without a byte order mark.

    :param bytes data: JSON text in UTF-8.
    :raises ValueError: if it is not valid JSON, or is nested too deep.
    """
    data = data.removeprefix(b"\xef\xbb\xbf")
    text = data.decode("utf-8")
    _, end = _decode(text, _skip(text, 0))
    if _skip(text, end) != len(text):
        raise ValueError("something follows the JSON value")
    return data


def compact(text: str) -> str:
    """Return JSON text without the spaces between its tokens."""
    if " " in text or "\n" in text or "\t" in text or "\r" in text:
        return _SPACE_OR_STRING.sub(r"\1", text)
    return text


def _decode(text: str, at: int) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, at)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _finish(text: str, at: int, members: dict[str, Member]) -> dict[str, Member]:
    if _skip(text, at + 1) != len(text):
        raise ValueError("something follows the object")
    return members
