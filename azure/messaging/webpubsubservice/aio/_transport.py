"""The async HTTP transport: azure-core's requests in, azure-core's responses and errors out, asyncio between.

Nothing in this file reads the environment, retries, follows a redirect or keeps a cookie.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from functools import partial
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, NoReturn

from azure.core.pipeline.transport import AsyncHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest

from .._connection_options import (
    Certificate,
    ConnectionOptions,
    Verify,
    not_answered,
    not_sent,
    refuse_keywords,
    refuse_pickling,
)
from .._http1 import request_head
from .._limits import Limits
from .._route_table import RouteTable
from .._wire import wire_form
from ._connection import Connection
from ._response import AsyncioResponse, Download
from ._routes import make_route

if TYPE_CHECKING:
    from .._environment import Environment

_CLOSING_SECONDS = 2.0


class AsyncioTransport(AsyncHttpTransport[HttpRequest, AsyncHttpResponse]):
    """Sends requests over asyncio's connections, from as many tasks of one event loop as like to.

    May be made outside of an event loop; the first request ties it to the loop that is running then. The environment
    counts as it is when the transport is made: proxy variables set later do not matter. There is no limit to the
    connections: there are as many as there are requests under way.

    :keyword float connection_timeout: Seconds to wait for a connection.
    :keyword float read_timeout: Seconds to wait for the next bytes of an answer.
    :keyword connection_verify: True to check the server's certificate, False not to, or the path of the CA file or
        directory to check it with.
    :paramtype connection_verify: bool or str
    :keyword connection_cert: Path of the client's certificate with its key, or the paths of both.
    :paramtype connection_cert: str or tuple[str, str] or None
    :keyword proxies: URL of an http or https proxy by ``https``, ``http``, ``all`` or ``https://host``.
    :paramtype proxies: Mapping[str, str] or None
    :keyword bool use_env_settings: False to leave proxy and CA variables out of it.
    :keyword environment: The environment, read before; left out, it is read now.
    :paramtype environment: Environment or None
    :keyword int connection_data_block_size: Most bytes in a piece of a streamed answer.
    :raises ValueError: if a timeout is not a number above 0.
    """

    takes_deadline = True
    """Whether ``send`` takes the keyword ``deadline``: the retry policy asks."""

    def __init__(
        self,
        *,
        connection_timeout: float = 5.0,
        read_timeout: float = 10.0,
        connection_verify: Verify = True,
        connection_cert: Certificate | None = None,
        proxies: Mapping[str, str] | None = None,
        use_env_settings: bool = True,
        environment: Environment | None = None,
        connection_data_block_size: int = 4096,
    ) -> None:
        self._options = ConnectionOptions(
            connection_timeout=connection_timeout,
            read_timeout=read_timeout,
            connection_verify=connection_verify,
            connection_cert=connection_cert,
            proxies=proxies,
            use_env_settings=use_env_settings,
            environment=environment,
        )
        self._block_size = connection_data_block_size
        self._connections: set[Connection] = set()
        self._table = RouteTable(self._options, partial(make_route, self._connections), "async with")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._keeper: AsyncGenerator[None, None] | None = None

    async def open(self) -> None:
        """Do nothing: connections open with the requests that need them.

        :raises ValueError: if the transport was closed.
        """
        self._table.check_open()

    async def close(self) -> None:
        """Close every connection; a request under way fails.

        :raises RuntimeError: if connections are open in another event loop.
        """
        loop = self._loop
        if loop is None or loop.is_closed() or not self._connections:
            self._table.close()
            return
        self._check_loop()
        self._table.close()
        if self._keeper is not None:
            keeper, self._keeper = self._keeper, None
            await keeper.aclose()

    async def __aenter__(self) -> AsyncioTransport:
        await self.open()
        return self

    async def __aexit__(self, *exc_details: object) -> None:
        await self.close()

    def __reduce__(self) -> NoReturn:
        refuse_pickling(self)

    async def send(
        self,
        request: HttpRequest,
        *,
        stream: bool = False,
        proxies: Mapping[str, str] | None = None,
        connection_timeout: float | None = None,
        read_timeout: float | None = None,
        connection_verify: Verify | None = None,
        connection_cert: Certificate | None = None,
        deadline: float | None = None,
        **kwargs: Any,
    ) -> AsyncHttpResponse:
        """Send a request and return its answer, whatever its status.

        An option left out, or None, is the transport's own.

        :param request: The request, with an absolute URL.
        :type request: ~azure.core.rest.HttpRequest
        :keyword bool stream: True to leave the body on the wire until it is read from the response.
        :keyword proxies: As in the constructor; they win over the transport's.
        :paramtype proxies: Mapping[str, str] or None
        :keyword float connection_timeout: As in the constructor.
        :keyword float read_timeout: As in the constructor.
        :keyword connection_verify: As in the constructor.
        :paramtype connection_verify: bool or str or None
        :keyword connection_cert: As in the constructor.
        :paramtype connection_cert: str or tuple[str, str] or None
        :keyword float deadline: When to give up waiting for the answer, however it comes, as ``time.monotonic()``
            counts.
        :return: The answer.
        :rtype: ~azure.core.rest.AsyncHttpResponse
        :raises ~azure.core.exceptions.ServiceRequestError: if no byte of the request was sent; its subclass
            ServiceRequestTimeoutError if that is for want of time.
        :raises ~azure.core.exceptions.ServiceResponseError: if the request may have been sent and no answer came; its
            subclass ServiceResponseTimeoutError if that is for want of time.
        :raises ~azure.core.exceptions.IncompleteReadError: if the answer broke off.
        :raises RuntimeError: if the transport was used in another event loop.
        :raises ValueError: if the transport was closed, or the request cannot be written as HTTP.
        """
        if kwargs:
            refuse_keywords("send", kwargs)
        options = self._options
        loop = asyncio.get_running_loop()
        route, target = self._table.find(request.url, proxies, connection_verify, connection_cert)
        if loop is not self._loop:
            await self._start(loop)
        method = request.method
        body, headers, names = wire_form(request)
        own = route.headers if "host" not in names else route.headers[1:]
        head = request_head(method, route.forward + target, own + headers)
        limits = Limits(options.read_timeout if read_timeout is None else read_timeout, deadline)
        if limits.is_over:
            raise not_sent(route.where, "", None, limits.seconds)
        connection = route.take()
        if connection is None:
            seconds = options.connection_timeout if connection_timeout is None else connection_timeout
            connection = await route.obtain(loop, limits.shorten(seconds))
        chunked = "transfer-encoding" in names
        try:
            answer = await connection.exchange(head, body, limits, chunked=chunked, bodiless=method == "HEAD")
        except (OSError, HTTPException) as error:
            connection.abort()
            late = limits.seconds if isinstance(error, TimeoutError) else None
            raise not_answered(route.where, error, error, late) from error
        except BaseException:
            connection.abort()
            raise
        content = None if stream or answer.length is None else connection.take(answer.length)
        download: Download | None = None
        if content is not None:
            route.release(connection, keep_alive=answer.keep_alive)
        else:
            download = Download(route, connection, answer, limits)
            if not stream:
                content = await download.read_all()
        return AsyncioResponse(
            request, answer, content=content, download=download, where=route.where, block_size=self._block_size
        )

    async def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._loop is not None:
            self._check_loop()
        self._loop = loop
        self._keeper = _keep(self._connections)
        await anext(self._keeper)

    def _check_loop(self) -> None:
        if self._loop is not asyncio.get_running_loop():
            raise RuntimeError(
                "This client was first used in another event loop, and its connections belong to that one: "
                "make a client for each event loop (with asyncio.run, inside of the function that it runs)"
            )


async def _keep(connections: set[Connection]) -> AsyncGenerator[None, None]:
    """Close connections when the generator is closed, which the event loop does at its end, or when nobody holds it.

    So who forgets to close the client, or lets ``asyncio.run`` end before, leaves no open connection behind.
    """
    try:
        yield
    finally:
        closing = list(connections)
        for connection in closing:
            connection.abort(ConnectionAbortedError("the client was closed"))
        if closing:
            await asyncio.wait([connection.when_lost() for connection in closing], timeout=_CLOSING_SECONDS)


AiohttpTransport = AsyncioTransport
