"""The WSGI application: bytes from a server to ``handle`` and back. No decisions but the size of a body."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ._answers import refusal
from ._bodies import InvalidEventError
from ._replies import EventHandlerResponse

_CHUNK = 64 * 1024
_NO_CONTENT = 204
_PHRASES = {
    200: "OK",
    204: "No Content",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    405: "Method Not Allowed",
    413: "Content Too Large",
    500: "Internal Server Error",
}
_Handle = Callable[[str, Iterable[tuple[str, str]], bytes], EventHandlerResponse]
_StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class WsgiApp:
    """A WSGI application for every path it is mounted at.

    In Flask ``app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/eventhandler": handler.wsgi_app})``, with Werkzeug's
    middleware; or give ``handler.wsgi_app`` to waitress or gunicorn as it is.
    """

    def __init__(self, handle: _Handle, max_body_size: int) -> None:
        self._handle = handle
        self._max_body_size = max_body_size

    def __call__(self, environ: dict[str, Any], start_response: _StartResponse) -> list[bytes]:
        """Serve one WSGI request."""
        try:
            body = self._read(environ)
        except InvalidEventError as error:
            response = refusal(error)
        else:
            response = self._handle(environ["REQUEST_METHOD"], _headers(environ), body)
        headers = list(response.headers.items())
        if response.status != _NO_CONTENT:
            headers.append(("Content-Length", str(len(response.body))))
        start_response(f"{response.status} {_PHRASES[response.status]}", headers)
        return [response.body]

    def _read(self, environ: dict[str, Any]) -> bytes:
        declared = environ.get("CONTENT_LENGTH") or ""
        if declared and not (declared.isascii() and declared.isdecimal()):
            raise InvalidEventError("content-length is not a number")
        if not declared and not environ.get("wsgi.input_terminated"):
            return b""
        # One byte more than allowed tells a body that is too large from one that just fits.
        wanted = int(declared[:20]) if declared else self._max_body_size + 1
        if declared and wanted > self._max_body_size:
            raise InvalidEventError(f"the body is larger than {self._max_body_size:,} bytes", 413)
        chunks = []
        while wanted > 0 and (chunk := environ["wsgi.input"].read(min(wanted, _CHUNK))):
            chunks.append(chunk)
            wanted -= len(chunk)
        if not declared and wanted <= 0:
            raise InvalidEventError(f"the body is larger than {self._max_body_size:,} bytes", 413)
        return b"".join(chunks)


def _headers(environ: dict[str, Any]) -> Iterable[tuple[str, str]]:
    for name, value in environ.items():
        if name.startswith("HTTP_"):
            yield name[5:].replace("_", "-"), value
        elif name in ("CONTENT_TYPE", "CONTENT_LENGTH") and value:
            yield name.replace("_", "-"), value
