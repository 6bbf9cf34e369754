"""What the service's answers and its tokens become. Loaded when one of these classes is asked for."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict  # pydantic takes no other before Python 3.12


class GroupMember:
    """A connection in a group. It does not change; equal members compare equal.

    :keyword str connection_id: Id of the connection.
    :keyword str user_id: The user it belongs to; None if it is anonymous.
    """

    # Written out: a dataclass would cost every program 10 ms at its start, for the import of 'inspect'.
    __slots__ = ("connection_id", "user_id")

    connection_id: str
    """Id of the connection."""
    user_id: str | None
    """The user it belongs to; None if it is anonymous."""

    def __init__(self, *, connection_id: str, user_id: str | None = None) -> None:
        object.__setattr__(self, "connection_id", connection_id)
        object.__setattr__(self, "user_id", user_id)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a GroupMember does not change: {name!r} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a GroupMember does not change: {name!r} cannot be deleted")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, GroupMember):
            return NotImplemented
        return (self.connection_id, self.user_id) == (other.connection_id, other.user_id)

    def __hash__(self) -> int:
        return hash((self.connection_id, self.user_id))

    def __repr__(self) -> str:
        return f"GroupMember(connection_id={self.connection_id!r}, user_id={self.user_id!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _member, (self.connection_id, self.user_id)


def _member(connection_id: str, user_id: str | None) -> GroupMember:
    """Rebuild a member that was pickled or copied."""
    return GroupMember(connection_id=connection_id, user_id=user_id)


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
