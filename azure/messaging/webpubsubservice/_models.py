"""What the service's answers and its tokens become. Loaded when one of these classes is asked for."""

from __future__ import annotations

from dataclasses import dataclass

from typing_extensions import TypedDict  # pydantic takes no other before Python 3.12

_MOST_SHOWN = 1024


@dataclass(frozen=True, kw_only=True, repr=False)
class GroupMember:
    """A connection in a group. It does not change; equal members compare equal."""

    connection_id: str
    """Id of the connection."""
    user_id: str | None = None
    """The user it belongs to; None if it is anonymous."""

    def __repr__(self) -> str:
        return f"GroupMember(connection_id={self.connection_id!r}, user_id={self.user_id!r})"[:_MOST_SHOWN]


class ClientAccessToken(TypedDict):
    """What a browser or another client needs to connect."""

    baseUrl: str
    """The WebSocket URL without the token."""
    token: str
    """The client access token: keep it as you would a password."""
    url: str
    """The WebSocket URL with the token in its query."""


class GeneratedToken(TypedDict):
    """What the service answers when it mints a token."""

    token: str
    """The client access token: keep it as you would a password."""
