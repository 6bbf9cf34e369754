"""The pages of a group's connections: the request for each, and an end to those that lead in a circle."""

from __future__ import annotations

from typing import Any

from . import _types as types
from . import rest
from ._answers import Page
from ._configuration import Call


class Pages:
    """The pages of one listing."""

    def __init__(self, call: Call, group: str, top: int | None, maxpagesize: int | None, start: str | None) -> None:
        self._call = call
        self._group = group
        self._asked = {"top": top, "maxpagesize": maxpagesize}
        self._start = start
        self._seen: set[str | None] = set()
        self._next: str | None = None
        self.request(None)  # bad arguments fail here

    def request(self, token: str | None) -> types.HttpRequest:
        """Return the request for the page that a continuation token names, the first one for None."""
        asked = {**self._asked, **_asked_by(token or self._start or "")}
        return rest.build_list_connections_in_group_request(self._call.hub, self._group, **asked, **self._call.request)

    def check(self, page: Page, token: str | None) -> Page:
        """Return the page that a token led to; if it leads back to one before it, the listing would never end."""
        token = token or self._start
        if token is None or token != self._next:
            self._seen = set()  # another listing of these pages has begun
        self._seen.add(token)
        self._next = page[0]
        if self._next is not None and self._next in self._seen:
            from azure.core.exceptions import HttpResponseError

            raise HttpResponseError("The service's pages of connections lead in a circle: a nextLink came twice")
        return page


def _asked_by(token: str) -> dict[str, Any]:
    """Return the builder's keywords for a page: its ``continuation_token``, and what is left of ``top``."""
    from urllib.parse import parse_qs

    query = token.partition("?")[2] if "://" in token else token
    fields = {name: values[-1] for name, values in parse_qs(query.partition("#")[0]).items()}
    if "continuationToken" not in fields:
        return {"continuation_token": token or None}
    numbers = {name: int(fields[name]) for name in ("top", "maxpagesize") if fields.get(name, "").isdecimal()}
    return {"continuation_token": fields["continuationToken"], **numbers}
