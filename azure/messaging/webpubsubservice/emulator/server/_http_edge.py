"""Where HTTP bytes meet our values: the aiohttp server with its bounds, and the translation of answers.

Rule: nothing of Web PubSub is decided here. aiohttp's own complaints about malformed HTTP become one line each; what is
logged with a traceback is a defect of ours.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import HttpVersion11, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from ..rest._requests import MAX_BODY, RestResponse

_LOGGER = logging.getLogger("azure.messaging.webpubsubservice.emulator.http")
_MAX_WORDS = 200
_MAX_LINE = 64 * 1024
_MAX_FIELD = 64 * 1024
_IDLE_FACTOR = 4
_CONTINUE = "100-continue"


class _OneLine(logging.Filter):
    """Turns aiohttp's tracebacks about a peer's malformed HTTP into one line of information."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError | asyncio.IncompleteReadError | ConnectionError):
            words = " ".join((getattr(error, "message", "") or str(error)).split())
            record.msg, record.args = "a peer sent malformed HTTP: %s", (words[:_MAX_WORDS],)
            record.exc_info = record.exc_text = None
            record.levelno, record.levelname = logging.INFO, "INFO"
        return True


_LOGGER.addFilter(_OneLine())


class EdgeServer(web.Server):
    """An aiohttp server with a bound on its sockets, and on how long one may stay without sending a request.

    Between two requests it is four times as long as before the first: aiohttp counts from the last answer until the
    next head has come whole, and clients keep idle connections for later.

    :param handler: Answers requests.
    :keyword int max_sockets: Sockets open at once; the next ones are closed as they come.
    :keyword float head_seconds: Seconds a peer has for its first request.
    """

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        *,
        max_sockets: int,
        head_seconds: float,
    ) -> None:
        super().__init__(
            handler,
            logger=_LOGGER,
            access_log=None,
            auto_decompress=False,
            max_line_size=_MAX_LINE,
            max_field_size=_MAX_FIELD,
            lingering_time=2.0,
            keepalive_timeout=_IDLE_FACTOR * head_seconds,
        )
        self._max_sockets = max_sockets
        self._head_seconds = head_seconds
        self._silent: dict[RequestHandler, asyncio.TimerHandle] = {}

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """Count a new socket, and set its time limit."""
        super().connection_made(handler, transport)
        if len(self.connections) > self._max_sockets:
            _LOGGER.info("a connection was closed: %d are open already", self._max_sockets)
            transport.abort()
            return
        loop = asyncio.get_running_loop()
        self._silent[handler] = loop.call_later(self._head_seconds, transport.abort)

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        """Forget a socket."""
        self.spoke(handler)
        super().connection_lost(handler, exc)

    def spoke(self, handler: RequestHandler) -> None:
        """Learn that a socket has sent a whole request head."""
        timer = self._silent.pop(handler, None)
        if timer is not None:
            timer.cancel()

    def file_numbers(self) -> list[int]:
        """Return the numbers of the sockets that are open."""
        transports = [handler.transport for handler in self.connections]
        sockets = [each.get_extra_info("socket") for each in transports if each is not None]
        return [number for number in (each.fileno() for each in sockets) if number >= 0]


def has_good_length(request: web.BaseRequest) -> bool:
    """Return False for a request whose body cannot be taken: its length is not stated, or too large."""
    length = request.headers.get("Content-Length")
    if length is None:
        return "Transfer-Encoding" not in request.headers and request.method != "POST"
    return length.isascii() and length.isdigit() and int(length) <= MAX_BODY


async def read_body(request: web.BaseRequest, seconds: float) -> bytes | None:
    """Return the body of a request, or None if it cannot be taken or does not come in time.

    A peer that has asked whether it may send the body (``Expect: 100-continue``) is told to.
    """
    if not has_good_length(request):
        return None
    try:
        if is_waiting(request):
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0  # nothing of the answer has been sent yet
        return await asyncio.wait_for(request.read(), seconds)
    except (asyncio.TimeoutError, web.RequestPayloadError, ConnectionError):
        return None


def is_waiting(request: web.BaseRequest) -> bool:
    """Return True if there is a body to come that the peer sends only when it is told to (RFC 9110, 10.1.1)."""
    return request.version == HttpVersion11 and "Expect" in request.headers and request.can_read_body


def expects_the_unknown(request: web.BaseRequest) -> bool:
    """Return True if the peer wants more than ``100-continue``."""
    expect = request.headers.get("Expect", _CONTINUE)
    return request.version == HttpVersion11 and expect.strip().lower() != _CONTINUE


def finish(request: web.BaseRequest, response: web.StreamResponse) -> web.StreamResponse:
    """Return the answer as it goes out; a connection on which a body may or may not follow is closed."""
    if is_waiting(request):
        response.force_close()
    return response


def to_response(answer: RestResponse, date: str, *, is_head: bool) -> web.StreamResponse:
    """Return aiohttp's form of an answer."""
    headers = {"Date": date, "Server": "webpubsub-emulator", **answer.headers}
    if answer.content_type is not None:
        headers["Content-Type"] = answer.content_type
    if is_head and answer.body:
        headers["Content-Length"] = str(len(answer.body))
        return web.Response(status=answer.status, headers=headers)
    response = web.Response(status=answer.status, headers=headers, body=answer.body)
    if answer.chunked:
        response.enable_chunked_encoding()
    return response


def truncated(answer: RestResponse, date: str) -> bytes:
    """Return the beginning of an answer, cut in the middle of its body or, if it has none, in its status line."""
    phrase = HTTPStatus(answer.status).phrase
    headers = {"Date": date, **answer.headers, "Content-Length": str(len(answer.body))}
    if answer.content_type is not None:
        headers["Content-Type"] = answer.content_type
    lines = [f"HTTP/1.1 {answer.status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    head = "\r\n".join(lines).encode("latin-1")
    if not answer.body:
        # Any later, and a lenient client takes it for an answer without a length.
        return head[: len("HTTP/1.1 2")]
    return head + b"\r\n\r\n" + answer.body[: len(answer.body) // 2]
