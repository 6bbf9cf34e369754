"""The WSGI application: bytes from a server to ``handle`` and back. No decisions but whether a body is whole."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterable
from typing import Any

from ._answers import refusal
from ._bodies import InvalidEventError, read_length
from ._replies import EventHandlerResponse

_LOGGER = logging.getLogger("azure.messaging.webpubsubservice.eventhandler")
_CHUNK = 64 * 1024
_NO_CONTENT = 204
_PHRASES = {
    200: "OK",
    204: "No Content",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    405: "Method Not Allowed",
    411: "Length Required",
    413: "Content Too Large",
    500: "Internal Server Error",
}
_Handle = Callable[[str, Iterable[tuple[str, str]], bytes], EventHandlerResponse]
_StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class WsgiApp:
    """A WSGI application for every path it is mounted at.

    In Flask ``app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/eventhandler": handler.wsgi_app})``, with Werkzeug's
    middleware, serves ``/eventhandler`` with and without a slash at its end; or give ``handler.wsgi_app`` to waitress
    or gunicorn as it is.
    """

    def __init__(self, handle: _Handle, max_body_size: int) -> None:
        self._handle = handle
        self._max_body_size = max_body_size

    def __call__(self, environ: dict[str, Any], start_response: _StartResponse) -> list[bytes]:
        """Serve one WSGI request."""
        method = environ["REQUEST_METHOD"]
        response = self._respond(method, environ)
        headers = list(response.headers.items())
        if response.status != _NO_CONTENT:
            headers.append(("Content-Length", str(len(response.body))))
        start_response(f"{response.status} {_PHRASES[response.status]}", headers)
        # Some servers send what they get, and the next answer of the connection would begin with it.
        return [b"" if method == "HEAD" else response.body]

    def _respond(self, method: str, environ: dict[str, Any]) -> EventHandlerResponse:
        try:
            body = self._read(environ) if method.upper() == "POST" else b""
            return self._handle(method, _headers(environ), body)
        except InvalidEventError as error:
            _LOGGER.warning("Refused a request with %d: %s.", error.status, error.reason)
            return refusal(error)
        except Exception:
            _LOGGER.exception("Could not answer a request.")
            return EventHandlerResponse(500)

    def _read(self, environ: dict[str, Any]) -> bytes:
        """Return the whole body.

        :raises InvalidEventError: if it is too large, or nobody can tell where it ends
        """
        stream = environ["wsgi.input"]
        declared = environ.get("CONTENT_LENGTH") or ""
        length = read_length(declared or "0")
        if length is None:
            raise InvalidEventError("content-length is not a number")
        in_pieces = bool(environ.get("HTTP_TRANSFER_ENCODING"))
        if environ.get("wsgi.input_terminated") and (in_pieces or not declared):
            return self._read_to_the_end(stream)
        # A server that reads a body before it calls us, as Azure Functions does, tells its length in either case.
        if in_pieces and not (declared and isinstance(stream, io.BytesIO)):
            raise InvalidEventError("this server does not tell where a chunked body ends: send content-length", 411)
        if not declared:
            # Without either header, an HTTP/1 request has no body; one of a later version may have one.
            if environ.get("SERVER_PROTOCOL", "HTTP/1.1").startswith("HTTP/1."):
                return b""
            raise InvalidEventError("the header content-length is missing", 411)
        if length > self._max_body_size:
            raise self._too_large()
        return _read_up_to(stream, length)

    def _read_to_the_end(self, stream: Any) -> bytes:
        # One byte more than allowed tells a body that is too large from one that just fits.
        body = _read_up_to(stream, self._max_body_size + 1)
        if len(body) > self._max_body_size:
            raise self._too_large()
        return body

    def _too_large(self) -> InvalidEventError:
        return InvalidEventError(f"the body is larger than {self._max_body_size:,} bytes", 413)


def _read_up_to(stream: Any, wanted: int) -> bytes:
    chunks = []
    try:
        while wanted > 0 and (chunk := stream.read(min(wanted, _CHUNK))):
            chunks.append(chunk)
            wanted -= len(chunk)
    except Exception as error:  # servers have errors of their own for a peer that leaves or sends no proper chunks
        raise InvalidEventError("the body could not be read to its end") from error
    return b"".join(chunks)


def _headers(environ: dict[str, Any]) -> Iterable[tuple[str, str]]:
    for name, value in environ.items():
        if name.startswith("HTTP_"):
            yield name[5:].replace("_", "-"), value
        elif name in ("CONTENT_TYPE", "CONTENT_LENGTH") and value:
            yield name.replace("_", "-"), value
