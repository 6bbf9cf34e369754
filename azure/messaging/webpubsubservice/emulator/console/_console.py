"""The console of one run: its token, its door, its files.

Whoever has the token may do everything, so the door is narrower than the emulator's: the page's own origin only, by a
name of this machine, whatever the access key is. The token is in the fragment of the URL, which browsers keep to
themselves; it comes in a header, never in a cookie, so that no other page can make a browser send it.
"""

from __future__ import annotations

import hmac
import logging
import secrets
from collections.abc import Sequence
from email.utils import formatdate
from pathlib import Path

from aiohttp import web

from ..rest._origin import authority
from ..rest._requests import RestResponse
from ..server._guard import Guard, Weakness
from ..server._http_edge import read_body, to_response
from ..server._naming import Arrival
from ._api import Api, Emulator, Request
from ._entries import text_of
from ._live import Viewers
from ._timeline import Timeline

PATH = "/console/"
TOKEN_HEADER = "X-Console-Token"  # noqa: S105 - a name

_LOGGER = logging.getLogger("azure.messaging.webpubsubservice.emulator")
_PAGE = Path(__file__).parent / "page"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_OPENNESS = Weakness("the console lets its reader do everything", "run the emulator without its console")
_READS = ("GET", "HEAD")
_BODY_SECONDS = 30.0
_TEXT = "text/plain; charset=utf-8"


class Console:
    """The console of one emulator, from its start to its stop.

    :param emulator: What there is to look at and to act on.
    :param hosts: Host names by which it may be spoken to, beside those of this machine.
    """

    def __init__(self, emulator: Emulator, hosts: Sequence[str]) -> None:
        #: What whoever looks has to show.
        self.token: str = secrets.token_urlsafe(32)
        #: What has happened.
        self.timeline: Timeline = Timeline(emulator.clock.now, text_of)
        self._api = Api(emulator, self.timeline)
        self._viewers = Viewers(self._api, self.timeline, self._is_token)
        self._guard = Guard(_OPENNESS, hosts, ())
        self._clock = emulator.clock
        self._files: dict[str, tuple[str, bytes]] = {}

    async def close(self) -> None:
        """Send every page away."""
        await self._viewers.close()

    async def handle(self, request: web.BaseRequest, arrival: Arrival) -> web.StreamResponse:
        """Answer a request below ``/console``."""
        path, _, query = arrival.target.partition("?")
        why = self._refusal(request, arrival)
        if why is not None:
            _LOGGER.warning("%s %s: refused with 403: %s", request.method, path, why)
            answer = RestResponse(403, f"{why}\n".encode(), _TEXT)
        elif path == PATH + "api/live" and request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._viewers.serve(request)
        elif path.startswith(PATH + "api/"):
            answer = await self._answer(request, arrival, path.removeprefix(PATH + "api/"), query)
        else:
            answer = self._file(request.method, path)
        date = formatdate(self._clock.now(), usegmt=True)
        answer.headers.update(_HEADERS)
        return to_response(answer, date, is_head=request.method == "HEAD")

    def _refusal(self, request: web.BaseRequest, arrival: Arrival) -> str | None:
        why = self._guard.refusal(arrival.host, None, arrival.origin.host)
        if why is not None:
            return why
        origin = request.headers.get("Origin")
        if origin is not None and authority(origin.rpartition("://")[2]) not in (arrival.host, arrival.origin.host):
            return "the console answers no page but its own"
        if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin") and not _is_link(request):
            return "the console answers no page but its own"
        return None

    def _is_token(self, token: str) -> bool:
        return hmac.compare_digest(token.encode("utf-8", "replace"), self.token.encode())

    async def _answer(self, request: web.BaseRequest, arrival: Arrival, path: str, query: str) -> RestResponse:
        if not self._is_token(request.headers.get(TOKEN_HEADER, "")):
            words = f"the header {TOKEN_HEADER} has to hold the token, which is in the URL that the emulator printed\n"
            return RestResponse(401, words.encode(), _TEXT)
        body = await read_body(request, _BODY_SECONDS)
        if body is None:
            return RestResponse(400, b"the body is too large, or its length is not stated\n", _TEXT)
        return await self._api.answer(Request(request.method, path, query, body, arrival.origin))

    def _file(self, method: str, path: str) -> RestResponse:
        """Return a file of the page; it holds nothing secret, and needs no token."""
        if path == PATH.rstrip("/"):
            return RestResponse(308, headers={"Location": PATH})
        if not self._files:
            self._files = {each.name: (_TYPES[each.suffix], each.read_bytes()) for each in _PAGE.iterdir()}
        found = self._files.get(path.removeprefix(PATH) or "index.html")
        if found is None:
            return RestResponse(404)
        if method not in _READS:
            return RestResponse(405, headers={"Allow": "GET, HEAD"})
        return RestResponse(200, found[1], f"{found[0]}; charset=utf-8")


def _is_link(request: web.BaseRequest) -> bool:
    """Return True if somebody follows a link to the page, which tells the page that has it nothing."""
    return request.method == "GET" and request.headers.get("Sec-Fetch-Mode") == "navigate"
