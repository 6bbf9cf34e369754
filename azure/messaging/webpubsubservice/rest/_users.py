"""Builders for one user of a hub: sending, closing, and the groups the user is in."""

from __future__ import annotations

from typing import Any

from .. import _types as types
from .._body import UNSET, Content
from .._request import build
from .._types import Unpack

_USER = "/api/hubs/{hub}/users/{userId}"


def build_user_exists_request(hub: str, user_id: str, **options: Unpack[types.RequestOptions]) -> types.HttpRequest:
    """Ask whether a user has any connection: 200 if so, else 404."""
    return build("HEAD", _USER, (hub, user_id), **options)


def build_send_to_user_request(
    hub: str,
    user_id: str,
    *,
    json: Any = UNSET,
    content: Content | None = None,
    content_type: str | None = None,
    filter: str | None = None,
    message_ttl_seconds: int | None = None,
    **options: Unpack[types.RequestOptions],
) -> types.HttpRequest:
    """Send a message to every connection of a user.

    :keyword json: A value to send as JSON; ``None`` is JSON's null. Give this or ``content``.
    :keyword content: Text, bytes, a stream or an iterator of bytes to send as it is; it is read here, once.
    :keyword str content_type: By default ``application/json`` for ``json``, ``text/plain`` for text, else binary.
    :keyword str filter: OData expression that picks the receivers, see :func:`~.filters.odata` (since 2022-11-01).
    :keyword int message_ttl_seconds: 0 to 300 seconds to wait for reliable clients; 0: no limit (since 2024-01-01).
    :raises ValueError: if not one of ``json`` and ``content`` is given, or a value is not JSON (or TypeError).
    """
    return build(
        "POST",
        _USER + "/:send",
        (hub, user_id),
        {"filter": filter, "messageTtlSeconds": message_ttl_seconds},
        (json, content, content_type),
        **options,
    )


def build_close_user_connections_request(
    hub: str,
    user_id: str,
    *,
    excluded: list[str] | None = None,
    reason: str | None = None,
    **options: Unpack[types.RequestOptions],
) -> types.HttpRequest:
    """Close every connection of a user.

    :keyword list[str] excluded: Ids of connections to leave out.
    :keyword str reason: Why; clients of a PubSub subprotocol are told.
    """
    return build(
        "POST", _USER + "/:closeConnections", (hub, user_id), {"excluded": excluded, "reason": reason}, **options
    )


def build_add_user_to_group_request(
    hub: str, group: str, user_id: str, **options: Unpack[types.RequestOptions]
) -> types.HttpRequest:
    """Put every connection of a user into a group; 404 if the user has none."""
    return build("PUT", _USER + "/groups/{group}", (hub, user_id, group), **options)


def build_remove_user_from_group_request(
    hub: str, group: str, user_id: str, **options: Unpack[types.RequestOptions]
) -> types.HttpRequest:
    """Take every connection of a user out of a group."""
    return build("DELETE", _USER + "/groups/{group}", (hub, user_id, group), **options)


def build_remove_user_from_all_groups_request(
    hub: str, user_id: str, **options: Unpack[types.RequestOptions]
) -> types.HttpRequest:
    """Take every connection of a user out of every group."""
    return build("DELETE", _USER + "/groups", (hub, user_id), **options)
