"""Builders for one group of a hub: sending, closing, listing, and who is in it."""

from __future__ import annotations

from typing import Any

from .. import _types as types
from .._body import UNSET, Content
from .._request import build
from .._types import Unpack

_GROUP = "/api/hubs/{hub}/groups/{group}"


def build_group_exists_request(hub: str, group: str, **options: Unpack[types.RequestOptions]) -> types.HttpRequest:
    """Ask whether a group has any connection: 200 if so, else 404."""
    return build("HEAD", _GROUP, (hub, group), **options)


def build_send_to_group_request(
    hub: str,
    group: str,
    *,
    json: Any = UNSET,
    content: Content | None = None,
    content_type: str | None = None,
    excluded: list[str] | None = None,
    filter: str | None = None,
    message_ttl_seconds: int | None = None,
    **options: Unpack[types.RequestOptions],
) -> types.HttpRequest:
    """Send a message to every connection of a group.

    :keyword json: A value to send as JSON; ``None`` is JSON's null. Give this or ``content``.
    :keyword content: Text, bytes, a stream or an iterator of bytes to send as it is; it is read here, once.
    :keyword str content_type: By default ``application/json`` for ``json``, ``text/plain`` for text, else binary.
    :keyword list[str] excluded: Ids of connections to leave out.
    :keyword str filter: OData expression that picks the receivers, see :func:`~.filters.odata` (since 2022-11-01).
    :keyword int message_ttl_seconds: 0 to 300 seconds to wait for reliable clients; 0: no limit (since 2024-01-01).
    :raises ValueError: if not one of ``json`` and ``content`` is given, or a value is not JSON (or TypeError).
    """
    return build(
        "POST",
        _GROUP + "/:send",
        (hub, group),
        {"excluded": excluded, "filter": filter, "messageTtlSeconds": message_ttl_seconds},
        (json, content, content_type),
        **options,
    )


def build_close_group_connections_request(
    hub: str,
    group: str,
    *,
    excluded: list[str] | None = None,
    reason: str | None = None,
    **options: Unpack[types.RequestOptions],
) -> types.HttpRequest:
    """Close every connection of a group.

    :keyword list[str] excluded: Ids of connections to leave out.
    :keyword str reason: Why; clients of a PubSub subprotocol are told.
    """
    return build(
        "POST", _GROUP + "/:closeConnections", (hub, group), {"excluded": excluded, "reason": reason}, **options
    )


def build_add_connection_to_group_request(
    hub: str, group: str, connection_id: str, **options: Unpack[types.RequestOptions]
) -> types.HttpRequest:
    """Put a connection into a group; 404 if the connection is not open."""
    return build("PUT", _GROUP + "/connections/{connectionId}", (hub, group, connection_id), **options)


def build_remove_connection_from_group_request(
    hub: str, group: str, connection_id: str, **options: Unpack[types.RequestOptions]
) -> types.HttpRequest:
    """Take a connection out of a group."""
    return build("DELETE", _GROUP + "/connections/{connectionId}", (hub, group, connection_id), **options)


def build_list_connections_in_group_request(
    hub: str,
    group: str,
    *,
    top: int | None = None,
    maxpagesize: int | None = None,
    continuation_token: str | None = None,
    **options: Unpack[types.RequestOptions],
) -> types.HttpRequest:
    """Ask for one page of the connections of a group (since 2024-12-01).

    :keyword int top: How many connections to list in all, at least 1.
    :keyword int maxpagesize: How many a page may hold, 1 to 200.
    :keyword str continuation_token: Where to go on: the ``continuationToken`` of the page before.
    """
    return build(
        "GET",
        _GROUP + "/connections",
        (hub, group),
        {"top": top, "maxpagesize": maxpagesize, "continuationToken": continuation_token},
        **options,
    )
