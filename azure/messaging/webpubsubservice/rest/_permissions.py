"""Builders for the permissions of one connection: grant, revoke, check."""

from __future__ import annotations

from .. import _types as types
from .._request import build
from .._types import Unpack

_PERMISSION = "/api/hubs/{hub}/permissions/{permission}/connections/{connectionId}"


def build_grant_permission_request(
    hub: str,
    permission: str,
    connection_id: str,
    *,
    target_name: str | None = None,
    **options: Unpack[types.RequestOptions],
) -> types.HttpRequest:
    """Let a connection join and leave, or send to, a group; 404 if it is not open.

    :keyword str target_name: The group that the permission is for; the service refuses a request without it.
    """
    return build("PUT", _PERMISSION, (hub, permission, connection_id), {"targetName": target_name}, **options)


def build_revoke_permission_request(
    hub: str,
    permission: str,
    connection_id: str,
    *,
    target_name: str | None = None,
    **options: Unpack[types.RequestOptions],
) -> types.HttpRequest:
    """Take a permission from a connection.

    :keyword str target_name: The group that the permission is for; the service refuses a request without it.
    """
    return build("DELETE", _PERMISSION, (hub, permission, connection_id), {"targetName": target_name}, **options)


def build_check_permission_request(
    hub: str,
    permission: str,
    connection_id: str,
    *,
    target_name: str | None = None,
    **options: Unpack[types.RequestOptions],
) -> types.HttpRequest:
    """Ask whether a connection has a permission: 200 if so, else 404.

    :keyword str target_name: The group that the permission is for; the service refuses a request without it.
    """
    return build("HEAD", _PERMISSION, (hub, permission, connection_id), {"targetName": target_name}, **options)
