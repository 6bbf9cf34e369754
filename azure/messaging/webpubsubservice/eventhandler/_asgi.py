"""The ASGI application: bytes from a server to ``handle_async`` and back. No decisions but the size of a body."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from ._answers import refusal
from ._bodies import InvalidEventError, read_length
from ._replies import EventHandlerResponse

_LOGGER = logging.getLogger("azure.messaging.webpubsubservice.eventhandler")
_NO_CONTENT = 204
_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_Handle = Callable[[str, Iterable[tuple[bytes, bytes]], bytes], Awaitable[EventHandlerResponse]]


class AsgiApp:
    """An ASGI 3 application for every path it is mounted at.

    In FastAPI and Starlette, ``app.router.routes.append(Route("/eventhandler{rest:path}", handler.asgi_app))`` serves
    ``/eventhandler`` with and without a slash at its end, and all below it; or give ``handler.asgi_app`` to uvicorn as
    it is. (What is mounted with ``app.mount("/eventhandler", ...)`` is found at ``/eventhandler/`` alone: without the
    slash, such an app answers with a redirect, which the service does not follow.) Runs on asyncio.
    """

    def __init__(self, handle: _Handle, max_body_size: int) -> None:
        self._handle = handle
        self._max_body_size = max_body_size

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        """Serve one ASGI connection scope."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)

    async def _serve(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        try:
            body = await self._read(scope, receive)
            if body is None:
                return
            response = await self._handle(scope["method"], scope["headers"], body)
        except InvalidEventError as error:
            _LOGGER.warning("Refused a request with %d: %s.", error.status, error.reason)
            response = refusal(error)
        except Exception:
            _LOGGER.exception("Could not answer a request.")
            response = EventHandlerResponse(500)
        with contextlib.suppress(OSError):  # the peer has gone, and nobody waits for the answer
            await _respond(send, response, with_body=scope["method"] != "HEAD")

    async def _read(self, scope: _Message, receive: _Receive) -> bytes | None:
        """Return the body, or None if the peer went away while sending it."""
        declared = [value for name, value in scope["headers"] if name.lower() == b"content-length"]
        size = max((read_length(value.decode("latin-1")) or 0 for value in declared), default=0)
        body = bytearray()
        more = True
        while more:
            if max(size, len(body)) > self._max_body_size:
                raise InvalidEventError(f"the body is larger than {self._max_body_size:,} bytes", 413)
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            more = message.get("more_body", False)
        return bytes(body)


async def _respond(send: _Send, response: EventHandlerResponse, *, with_body: bool) -> None:
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers.items()]
    if response.status != _NO_CONTENT:
        headers.append((b"content-length", str(len(response.body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body if with_body else b""})


async def _live(receive: _Receive, send: _Send) -> None:
    while (message := await receive())["type"] != "lifespan.shutdown":
        await send({"type": message["type"] + ".complete"})
    await send({"type": "lifespan.shutdown.complete"})
