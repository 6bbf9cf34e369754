"""Builders for a hub as a whole: sending, closing, bulk group membership, tokens, and the service's health."""

from __future__ import annotations

from typing import Any

from .. import _types as types
from .._body import UNSET, Content
from .._request import build, membership
from .._types import Unpack

_HUB = "/api/hubs/{hub}"


def build_healthapi_get_health_status_request(**options: Unpack[types.RequestOptions]) -> types.HttpRequest:
    """Ask whether the service is healthy: 200 if so."""
    return build("HEAD", "/api/health", **options)


def build_send_to_all_request(
    hub: str,
    *,
    json: Any = UNSET,
    content: Content | None = None,
    content_type: str | None = None,
    excluded: list[str] | None = None,
    filter: str | None = None,
    message_ttl_seconds: int | None = None,
    **options: Unpack[types.RequestOptions],
) -> types.HttpRequest:
    """Send a message to every connection of a hub.

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
        _HUB + "/:send",
        (hub,),
        {"excluded": excluded, "filter": filter, "messageTtlSeconds": message_ttl_seconds},
        (json, content, content_type),
        **options,
    )


def build_close_all_connections_request(
    hub: str, *, excluded: list[str] | None = None, reason: str | None = None, **options: Unpack[types.RequestOptions]
) -> types.HttpRequest:
    """Close every connection of a hub.

    :keyword list[str] excluded: Ids of connections to leave out.
    :keyword str reason: Why; clients of a PubSub subprotocol are told.
    """
    return build("POST", _HUB + "/:closeConnections", (hub,), {"excluded": excluded, "reason": reason}, **options)


def build_add_connections_to_groups_request(
    hub: str, groups: list[str], filter: str, **options: Unpack[types.RequestOptions]
) -> types.HttpRequest:
    """Put the connections that a filter picks into groups (since 2024-01-01).

    :param list[str] groups: Names of the groups, at least one.
    :param str filter: OData expression that picks the connections; ``""`` picks **every** connection of the hub.
    """
    return build("POST", _HUB + "/:addToGroups", (hub,), None, (membership(groups, filter), None, None), **options)


def build_remove_connections_from_groups_request(
    hub: str, groups: list[str], filter: str, **options: Unpack[types.RequestOptions]
) -> types.HttpRequest:
    """Take the connections that a filter picks out of groups (since 2024-01-01).

    :param list[str] groups: Names of the groups, at least one.
    :param str filter: OData expression that picks the connections; ``""`` picks **every** connection of the hub.
    """
    return build("POST", _HUB + "/:removeFromGroups", (hub,), None, (membership(groups, filter), None, None), **options)


def build_generate_client_token_request(
    hub: str,
    *,
    user_id: str | None = None,
    roles: list[str] | None = None,
    groups: list[str] | None = None,
    minutes_to_expire: int | None = None,
    client_type: str | None = None,
    **options: Unpack[types.RequestOptions],
) -> types.HttpRequest:
    """Ask the service for a client access token; it answers Entra ID callers only, never an access key.

    :keyword str user_id: The user that the client will be (claim ``sub``).
    :keyword list[str] roles: Roles of the client, such as ``webpubsub.sendToGroup.chat``.
    :keyword list[str] groups: Groups that the client is in from the start (since 2022-11-01).
    :keyword int minutes_to_expire: Lifetime of the token in minutes, at least 1; the service's default is 60.
    :keyword str client_type: ``Default``, ``MQTT`` or ``SocketIO`` (since 2024-01-01).
    """
    return build(
        "POST",
        _HUB + "/:generateToken",
        (hub,),
        {
            "userId": user_id,
            "role": roles,
            "group": groups,
            "minutesToExpire": minutes_to_expire,
            "clientType": client_type,
        },
        **options,
    )
