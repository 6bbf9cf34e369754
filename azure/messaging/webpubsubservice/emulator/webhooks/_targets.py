"""The ways to ask an event handler: over HTTP, or in this process through ASGI or a plain call.

Each is one coroutine that turns a request into an :class:`Answer`; whether the answer is a good one, and whether to ask
again, is decided in ``_upstream``. Answers are limited in size while they are read.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Coroutine, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from ._answers import Answer, BadAnswer, pairs
from ._event_handlers import ASGIApp, HandlerFunction

if TYPE_CHECKING:
    import aiohttp

MAX_ANSWER_SIZE = 16 * 1024 * 1024
_MAX_HEADER_SIZE = 64 * 1024
_MAX_THREADS = 64
_STATUSES = range(200, 600)


class Unreachable(Exception):  # noqa: N818 - an outcome
    """There was no answer; the text says why."""


class HttpTarget:
    """Asks over HTTP, through one session that is made when it is first needed."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Return the answer of the server at the URL; redirects are not followed.

        :raises Unreachable: if there is none.
        :raises BadAnswer: if it is too large.
        """
        import aiohttp
        from yarl import URL

        if self._session is None:
            # The jar would be one for all connections; each has its own, kept by the caller.
            self._session = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
                connector=aiohttp.TCPConnector(limit=0),
                max_line_size=_MAX_HEADER_SIZE,
                max_field_size=_MAX_HEADER_SIZE,
            )
        try:
            async with self._session.request(
                method, URL(url, encoded=True), headers=headers, data=body or None, allow_redirects=False
            ) as response:
                content = bytearray()
                async for chunk in response.content.iter_any():
                    content += chunk
                    _check_size(len(content))
                return Answer(response.status, tuple(response.headers.items()), bytes(content))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unreachable(f"{type(error).__name__}: {error}") from error

    async def aclose(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()


class HandlerStopped(Exception):  # noqa: N818 - an outcome
    """A handler in this process was cancelled, or wanted to end the process."""


async def run_apart(handler: Coroutine[Any, Any, Answer]) -> Answer:
    """Return what a handler in this process answers, in a task of its own: its end is not the end of who asks.

    :raises HandlerStopped: if it was cancelled, or has raised ``SystemExit`` or ``KeyboardInterrupt``.
    """
    task = asyncio.get_running_loop().create_task(_tame(handler))
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:
        # It is not wanted any more; what it does at its end still belongs to the event.
        task.cancel()
        await asyncio.wait([task])
        raise
    if task.cancelled():
        raise HandlerStopped("it was cancelled")
    return task.result()


async def _tame(handler: Coroutine[Any, Any, Answer]) -> Answer:
    try:
        return await handler
    except (SystemExit, KeyboardInterrupt) as error:
        # Out of a task, these two end the event loop.
        raise HandlerStopped(f"it raised {type(error).__name__}") from error


class CallTarget:
    """Asks a function of this process: ``async def`` in this event loop, a plain one in a thread."""

    def __init__(self) -> None:
        self._executor: ThreadPoolExecutor | None = None

    async def ask(self, function: HandlerFunction, method: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Return what the function returned.

        :raises BadAnswer: if it is no answer.
        """
        if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None)):  # noqa: B004 - of an object with an async __call__
            result = await function(method, dict(headers), body)
        else:
            if self._executor is None:
                self._executor = ThreadPoolExecutor(_MAX_THREADS, thread_name_prefix="event-handler")
            loop = asyncio.get_running_loop()
            result = await loop.run_in_executor(self._executor, function, method, dict(headers), body)
            if inspect.isawaitable(result):
                result = await result
        return _as_answer(result)

    async def aclose(self) -> None:
        """Let the threads end; one that is stuck in a handler is not waited for."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)


def _as_answer(result: Any) -> Answer:
    try:
        body = result.body
        answer = Answer(int(result.status), pairs(result.headers or ()), _as_bytes(body))
    except (AttributeError, TypeError, ValueError) as error:
        raise BadAnswer(
            f"the handler returned {type(result).__name__}, not an object with 'status', 'headers' and 'body'"
        ) from error
    if answer.status not in _STATUSES:
        raise BadAnswer(f"the handler returned the status {answer.status}")
    _check_size(len(answer.body))
    return answer


def _as_bytes(body: Any) -> bytes:
    if body is None:
        return b""
    return body.encode("utf-8") if isinstance(body, str) else bytes(memoryview(body))


def _check_size(size: int) -> None:
    if size > MAX_ANSWER_SIZE:
        raise BadAnswer(f"the answer is larger than {MAX_ANSWER_SIZE:,} bytes")


_Message = MutableMapping[str, Any]


async def ask_asgi(app: ASGIApp, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
    """Return the answer of an ASGI application, with no socket between. Its lifespan events are not sent.

    :raises BadAnswer: if it ends without one, or the answer is too large.
    """
    exchange = _Exchange(body)
    await app(_scope(method, url, headers, body), exchange.receive, exchange.send)
    if exchange.status is None or not exchange.done.is_set():
        raise BadAnswer("the application ended without an answer")
    if exchange.status not in _STATUSES:
        raise BadAnswer(f"the application answered with the status {exchange.status}")
    return Answer(exchange.status, exchange.headers, bytes(exchange.body))


def _scope(method: str, url: str, headers: Mapping[str, str], body: bytes) -> _Message:
    parts = urlsplit(url)
    fields = {"Host": parts.netloc.rpartition("@")[2], **headers, "Content-Length": str(len(body))}
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": parts.scheme,
        "path": unquote(parts.path) or "/",
        "raw_path": (parts.path or "/").encode("ascii", "replace"),
        "query_string": parts.query.encode("ascii", "replace"),
        "root_path": "",
        "headers": [(name.lower().encode("latin-1"), value.encode("utf-8")) for name, value in fields.items()],
        "client": ("127.0.0.1", 0),
        "server": (parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)),
        "state": {},
    }


class _Exchange:
    """One request and its response, as an ASGI application sees them."""

    def __init__(self, body: bytes) -> None:
        self.status: int | None = None
        self.headers: list[tuple[str, str]] = []
        self.body = bytearray()
        self.done = asyncio.Event()
        self._request: bytes | None = body

    async def receive(self) -> _Message:
        if self._request is not None:
            body, self._request = self._request, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self.done.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: _Message) -> None:
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
            self.headers = pairs(message.get("headers", ()))
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")
            _check_size(len(self.body))
            if not message.get("more_body", False):
                self.done.set()
