"""Fields of JSON frames: read from a parsed frame with their rules, and written as JSON text.

Rule: pure functions; a field that breaks its rule is a ``ValueError``, which the reader of the frame makes of it.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, NoReturn

from ..hub._frames import DataType, Payload
from ..hub._json_text import Member, compact
from ..hub._metadata import check_metadata
from ..hub._names import is_group

MAX_UINT64 = 2**64 - 1

Members = Mapping[str, Member]


def fail(name: str) -> NoReturn:
    """Refuse a frame for one of its fields.

    :raises ValueError: always.
    """
    raise ValueError(f"the field {name!r} is missing or malformed")


def text_of(members: Members, name: str) -> str:
    """Return a field that is a text."""
    value = members[name].value
    if not isinstance(value, str):
        fail(name)
    value.encode("utf-8")  # a lone surrogate is no text
    return value


def number_of(members: Members, name: str, most: int) -> int | None:
    """Return a field that is a number up to ``most``; None if it is not there."""
    member = members.get(name)
    if member is None or member.value is None:
        return None
    if type(member.value) is not int or not 0 <= member.value <= most:
        fail(name)
    return member.value


def flag_of(members: Members, name: str) -> bool:
    """Return a field that is true or false; False if it is not there."""
    member = members.get(name)
    if member is None or member.value is None:
        return False
    if not isinstance(member.value, bool):
        fail(name)
    return member.value


def group_of(members: Members) -> str:
    """Return the name of a group."""
    group = text_of(members, "group")
    if not is_group(group):
        fail("group")
    return group


def ack_id_of(members: Members) -> int | None:
    """Return the id under which an ack is wanted, None for none."""
    return number_of(members, "ackId", MAX_UINT64)


def metadata_of(members: Members) -> Mapping[str, str]:
    """Return the metadata of a message."""
    member = members.get("metadata")
    if member is None or member.value is None:
        return {}
    if not isinstance(member.value, dict) or not all(isinstance(value, str) for value in member.value.values()):
        fail("metadata")
    return check_metadata(member.value)


def payload_of(members: Members) -> Payload:
    """Return the data of a message."""
    kind = text_of(members, "dataType") if "dataType" in members else "json"
    member = members.get("data")
    if member is None and members.get("metadata") is not None:
        return Payload("text", b"")
    if member is None or member.value is None:
        fail("data")
    if kind == "json":
        return Payload("json", compact(member.text).encode("utf-8"))
    if not isinstance(member.value, str):
        fail("data")
    if kind == "text":
        return Payload("text", member.value.encode("utf-8"))
    if kind not in ("binary", "protobuf"):
        fail("dataType")
    try:
        return Payload("binary" if kind == "binary" else "protobuf", base64.b64decode(member.value, validate=True))
    except binascii.Error:
        fail("data")


def data_text(payload: Payload) -> bytes:
    """Return data as JSON text."""
    kind: DataType = payload.type
    if kind == "json":
        return compact(payload.data.decode("utf-8")).encode("utf-8")
    if kind == "text":
        return dump(payload.data.decode("utf-8", "replace"))
    return b'"' + base64.b64encode(payload.data) + b'"'


def dump(value: Any) -> bytes:
    """Return compact JSON text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
