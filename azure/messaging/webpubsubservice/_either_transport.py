"""What both HTTP transports do alike: with a request before it goes out, with an answer, and where none comes."""

from __future__ import annotations

import codecs
import re
from math import inf
from time import monotonic
from typing import Any, NamedTuple, NoReturn

from azure.core import exceptions as core
from azure.core.rest import HttpRequest

from ._bodies import wire_form
from ._connection_options import ConnectionOptions, Route, split_url

MAX_ROUTES = 64
MAX_ANSWER = 64 << 20
"""Most bytes of an answer that is read into memory: a larger one is to be streamed."""
MAX_DECODED = 16 << 20
"""The same for one with a Content-Encoding, of which none is asked for: 661 bytes can become 600 MB."""
_MOST_SHOWN = 200
# As http.client, and azure-core of aiohttp, tell of it: the number alone may be a part of a port.
_PROXY_REFUSED = re.compile(r"Tunnel connection failed: 407\b|^407, message=")
# As Python names them. Some others that it knows, such as punycode, take a minute for a megabyte.
_CHARSETS = {"ascii", "utf-8", "utf-8-sig", "utf-16", "iso8859-1", "cp1252"}


class Stage(NamedTuple):
    """How far a request came that failed, and what that is called: at a limit that ran out, and for anything else."""

    late: type[core.AzureError]
    late_text: str
    broken: type[core.AzureError]
    broken_text: str


NOT_SENT = Stage(
    *(core.ServiceRequestTimeoutError, "No connection to {} within {:.3g} s"),
    *(core.ServiceRequestError, "No connection to {}: {}"),
)
NOT_ANSWERED = Stage(  # the service may have got it
    *(core.ServiceResponseTimeoutError, "{} did not answer within {:.3g} s"),
    *(core.ServiceResponseError, "The connection to {} broke before an answer came: {}"),
)
NOT_COMPLETE = Stage(
    *(core.ServiceResponseTimeoutError, "{} did not complete its answer within {:.3g} s"),
    *(core.IncompleteReadError, "The answer of {} is incomplete: {}"),
)
NOT_DECODABLE = NOT_COMPLETE._replace(broken=core.DecodeError, broken_text="The answer of {} cannot be decoded: {}")


def proxy_refusal(where: str, reason: str) -> core.AzureError | None:
    """Return the error of a proxy that wants a password, if this is the reason: one that is not tried again."""
    if not _PROXY_REFUSED.search(reason):
        return None
    refusal = core.ClientAuthenticationError(
        f"No connection to {where}: the proxy wants a user name and a password in its URL, and not what it got,"
        " if anything (407 Proxy Authentication Required)"
    )
    refusal.status_code = 407
    return refusal


class Call:
    """A request on its way: what goes out, what each wait may take, and whether any of it went out."""

    is_sent = False
    """Whether some of it may have reached the service."""
    with_head = b""  # the body, where it is small: asyncio's goes out with the head
    connected_by = inf

    def __init__(
        self, request: HttpRequest, route: Route, target: str, limits: tuple[float, float], deadline: float | None
    ) -> None:
        self.request = request
        self.route = route
        self.body, self.headers = wire_form(request)
        self.target = target
        if route.forwards:
            self.target = route.origin + target
            self.headers.update(route.proxy.proxy_headers)  # type: ignore[union-attr]
        self.connection_timeout, self.read_timeout = limits
        self.deadline = inf if deadline is None else deadline
        self.started = monotonic()

    def wait(self) -> float:
        """Return the seconds that the next wait may take; raises TimeoutError if there is no time left."""
        now = monotonic()
        left = min(self.deadline - now, self.read_timeout if self.is_sent else self.connected_by - now)
        if left <= 0:
            raise TimeoutError("the time is over")
        return left

    def failure(self, cause: BaseException, stage: Stage | None = None) -> core.AzureError:
        """Return the error of it, by what is known of how far it came."""
        stage = stage or (NOT_ANSWERED if self.is_sent else NOT_SENT)
        where, reason = self.route.where, str(cause) or type(cause).__name__
        if isinstance(cause, TimeoutError):
            limit = self.read_timeout if self.is_sent else self.connection_timeout
            seconds = limit if monotonic() < self.deadline else max(self.deadline - self.started, 0.0)
            return stage.late(stage.late_text.format(where, seconds), error=cause)
        refusal = proxy_refusal(where, reason) if stage is NOT_SENT else None
        shown = reason if len(reason) <= _MOST_SHOWN else reason[:_MOST_SHOWN] + "..."
        return refusal or stage.broken(stage.broken_text.format(where, shown), error=cause)


class EitherTransport:
    """Sends requests, and returns answers whatever their status.

    Its keywords are those of ``ConnectionOptions``. The environment counts as it was when the client was made. Nothing
    is sent again, no redirect followed, no cookie kept.

    ``send`` takes ``stream``, ``connection_timeout``, ``read_timeout``, ``proxies``, ``connection_verify`` and
    ``connection_cert``, of which None is the transport's own; and ``deadline``, which ends every wait, as
    ``time.monotonic()`` counts (with ``stream``, every wait for the answer's head). It raises ServiceRequestError if no
    byte of the request was sent, ClientAuthenticationError if a proxy wants another password, ServiceResponseError if
    the request may have been sent and no answer came, IncompleteReadError if the answer broke off, DecodeError if it is
    not what its Content-Encoding says or too much, ValueError if the request cannot be written as HTTP.
    """

    def __init__(self, **options: Any) -> None:
        self._options = ConnectionOptions(**options)
        self._is_closed = False
        self._routes: dict[Any, Route] = {}

    def __reduce__(self) -> NoReturn:
        raise TypeError("a transport cannot be copied or pickled: make a client in the process that uses it")

    def _check_open(self) -> None:
        if self._is_closed:
            raise ValueError("This transport was closed: make another client, or use 'with' around all that it sends")

    def _call(
        self,
        request: HttpRequest,
        *,
        connection_timeout: float | None = None,
        read_timeout: float | None = None,
        deadline: float | None = None,
        proxies: Any = None,
        connection_verify: Any = None,
        connection_cert: Any = None,
    ) -> Call:
        options = self._options
        origin, target = split_url(request.url)
        key = (origin, tuple(sorted(proxies.items())) if proxies else None, connection_verify, connection_cert)
        route = self._routes.get(key)
        if route is None:
            self._check_open()
            route = options.route(origin, proxies, connection_verify, connection_cert)
            route.connections = self._connections(route)
            if len(self._routes) >= MAX_ROUTES:
                self._forget_routes()
            route = self._routes.setdefault(key, route)  # another thread may have been faster
        limits = (connection_timeout or options.connection_timeout, read_timeout or options.read_timeout)
        return Call(request, route, target, limits, deadline)

    def _connections(self, route: Route) -> Any:
        """Return what the HTTP library has to know of a route."""
        raise NotImplementedError

    def _forget_routes(self) -> None:
        self._routes = {}


class EitherResponse:
    """What azure-core's private ``HttpResponseImpl`` and its asynchronous twin get in addition, and do otherwise.

    azure-core's own transports build their responses on those, and they have all that its policies and errors expect.
    """

    _pieces: Any
    """Reads the body; azure-core calls it with keywords."""

    def __init__(self, call: Call, raw: Any, headers: Any, *, block_size: int, stream: bool) -> None:
        super().__init__(
            request=call.request,  # type: ignore[call-arg]
            internal_response=raw,
            status_code=raw.status,
            reason=raw.reason,
            content_type=headers.get("content-type"),
            headers=headers,
            block_size=block_size,
            stream_download_generator=self._pieces,
        )
        self._raw = raw
        self._call = call
        self._stream = stream
        self._size = 0

    def _checked(self, piece: bytes, encoding: str | None) -> bytes:
        """Count a piece that was read; raises OverflowError if the answer becomes too large in memory."""
        self._size += len(piece)
        most = MAX_ANSWER if encoding is None else MAX_DECODED
        if self._size > most and not (self._stream and encoding is None):
            raise OverflowError(f"it is larger than {most >> 20} MiB: read it with stream=True")
        return piece

    def _failure(self, cause: BaseException, encoding: str | None, *, is_undecodable: bool) -> core.AzureError:
        if encoding is None or not is_undecodable:
            return self._call.failure(cause, NOT_COMPLETE)
        return self._call.failure(ValueError(f"{encoding[:_MOST_SHOWN]}: {cause}"), NOT_DECODABLE)

    __setattr__ = object.__setattr__  # azure-core's looks for older names, 21 times an answer: a fifteenth of a send

    @property
    def encoding(self) -> str | None:
        """The charset of the answer's text: the caller's choice, else the answer's, of few; else bytes as they are."""
        if "_encoding" not in vars(self):
            found = super().encoding  # type: ignore[misc]
            self._encoding = found if found is None or codecs.lookup(found).name in _CHARSETS else "latin-1"
        return self._encoding

    @encoding.setter
    def encoding(self, value: str | None) -> None:
        self._encoding = value
        self._text: str | None = None

    def _body(self) -> bytes:
        return self.content  # type: ignore[attr-defined, no-any-return]  # what azure-core's older class calls body()

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_internal_response": None, "_raw": None, "_call": None}
