"""Builders for one connection of a hub: sending, closing, and leaving all groups."""

from __future__ import annotations

from typing import Any

from .. import _types as types
from .._body import UNSET, Content
from .._request import build
from .._types import Unpack

_CONNECTION = "/api/hubs/{hub}/connections/{connectionId}"


def build_connection_exists_request(
    hub: str, connection_id: str, **options: Unpack[types.RequestOptions]
) -> types.HttpRequest:
    """Ask whether a connection is open: 200 if so, else 404."""
    return build("HEAD", _CONNECTION, (hub, connection_id), **options)


def build_close_client_connection_request(
    hub: str, connection_id: str, *, reason: str | None = None, **options: Unpack[types.RequestOptions]
) -> types.HttpRequest:
    """Close one connection.

    :keyword str reason: Why; clients of a PubSub subprotocol are told.
    """
    return build("DELETE", _CONNECTION, (hub, connection_id), {"reason": reason}, **options)


def build_send_to_connection_request(
    hub: str,
    connection_id: str,
    *,
    json: Any = UNSET,
    content: Content | None = None,
    content_type: str | None = None,
    message_ttl_seconds: int | None = None,
    **options: Unpack[types.RequestOptions],
) -> types.HttpRequest:
    """Send a message to one connection.

    :keyword json: A value to send as JSON; ``None`` is JSON's null. Give this or ``content``.
    :keyword content: Text, bytes, a stream or an iterator of bytes to send as it is; it is read here, once.
    :keyword str content_type: By default ``application/json`` for ``json``, ``text/plain`` for text, else binary.
    :keyword int message_ttl_seconds: 0 to 300 seconds to wait for reliable clients; 0: no limit (since 2024-01-01).
    :raises ValueError: if not one of ``json`` and ``content`` is given, or a value is not JSON (or TypeError).
    """
    return build(
        "POST",
        _CONNECTION + "/:send",
        (hub, connection_id),
        {"messageTtlSeconds": message_ttl_seconds},
        (json, content, content_type),
        **options,
    )


def build_remove_connection_from_all_groups_request(
    hub: str, connection_id: str, **options: Unpack[types.RequestOptions]
) -> types.HttpRequest:
    """Take a connection out of every group (since 2022-11-01)."""
    return build("DELETE", _CONNECTION + "/groups", (hub, connection_id), **options)
