"""The two sides of the WebSocket upgrade, as values: who asks to come in, and who has been let in.

A visitor is the upgrade request; a guest is who the client is, what it may do and which subprotocol it speaks. Rule: no
judgement in here; who may come in is decided in ``server/_admission``, and by the event handler.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from ..hub import _events as on
from ._subprotocols import ClientProtocol

_MAX_QUERY_FIELDS = 1000


class Refusal(Exception):  # noqa: N818  (a verdict on a visitor, no defect)
    """The visitor is turned away before the upgrade.

    :param int status: HTTP status of the answer.
    :param str why: Reason, for the log.
    :keyword str body: What the visitor is told.
    """

    def __init__(self, status: int, why: str, *, body: str = "") -> None:
        super().__init__(why)
        self.status: int = status
        self.body: str = body


@dataclass(frozen=True, slots=True)
class Visitor:
    """An upgrade request. Headers are as they were sent; repeated ones stand several times."""

    method: str
    raw_path: str
    query: Sequence[tuple[str, str]]
    headers: Sequence[tuple[str, str]]

    @classmethod
    def of(cls, method: str, target: str, headers: Iterable[tuple[str, str]]) -> Visitor:
        """Return the visitor that an HTTP request is.

        :raises Refusal: if the query has too many parameters.
        """
        path, _, query = target.partition("?")
        try:
            pairs = parse_qsl(query, keep_blank_values=True, errors="replace", max_num_fields=_MAX_QUERY_FIELDS)
        except ValueError:
            raise Refusal(400, "the query has too many parameters") from None
        return cls(method, path, tuple(pairs), tuple(headers))

    def header(self, name: str) -> str:
        """Return every value of a header, joined by commas."""
        return ", ".join(value for key, value in self.headers if key.lower() == name)

    def parameter(self, name: str) -> str | None:
        """Return the last value of a query parameter, or None; names are taken in any case."""
        return next((value for key, value in reversed(self.query) if key.lower() == name), None)

    def parameters(self, name: str) -> list[str]:
        """Return every value of a query parameter."""
        return [value for key, value in self.query if key.lower() == name]

    def token(self) -> str | None:
        """Return the access token; the one in the query goes first."""
        scheme, _, token = self.header("authorization").partition(" ")
        return self.parameter("access_token") or (token.strip() if scheme.lower() == "bearer" else None)


@dataclass(frozen=True, slots=True)
class Guest:
    """A visitor who may come in: ``echo`` is the subprotocol as the client spells it, ``accept`` answers its key.

    An MQTT client is only half in: its CONNECT packet is still to come.
    """

    hub: str
    accept: str
    protocol: ClientProtocol
    echo: str | None
    offered: Sequence[str] = ()
    user_id: str | None = None
    groups: Sequence[str] = ()
    roles: Sequence[str] = ()
    claims: Mapping[str, Any] = field(default_factory=dict)
    recovers: on.Recover | None = None
    #: Host name by which the client knows the service; event handlers are told it.
    known_as: str = ""
    is_mqtt: bool = False
