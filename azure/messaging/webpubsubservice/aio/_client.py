"""The asynchronous client: the text of ``_client`` with ``await``. The operations are in ``_operations``."""

from __future__ import annotations

from _thread import allocate_lock
from collections.abc import AsyncIterator, Callable, Coroutine, Generator

from .._configuration import Configuration
from .._operation import Call, Done, Result, install
from .._operations import Operations, page_call
from .._typing import TYPE_CHECKING, Any, TypeVar, overload

if TYPE_CHECKING:
    from types import TracebackType

    from azure.core.async_paging import AsyncItemPaged
    from azure.core.credentials import AzureKeyCredential
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.rest import AsyncHttpResponse, HttpRequest
    from typing_extensions import Self, Unpack

    from .._answers import Page
    from .._models import GroupMember
    from .._options import CallOptions, ClientOptions, SendRequestOptions
    from .._policies import Chain

T = TypeVar("T")


class Sending:
    """A request on its way: ``await`` it for the answer, or enter it with ``async with`` to have the answer closed.

    :param answer: The coroutine that sends it.
    """

    def __init__(self, answer: Coroutine[Any, Any, AsyncHttpResponse]) -> None:
        self._answer = answer
        self._response: AsyncHttpResponse | None = None

    def __await__(self) -> Generator[Any, None, AsyncHttpResponse]:
        return self._answer.__await__()

    async def __aenter__(self) -> AsyncHttpResponse:
        self._response = await self._answer
        return self._response

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        if self._response is not None:
            await self._response.close()


class WebPubSubServiceClient(Operations):
    """Sends messages through Azure Web PubSub and manages who receives them.

    .. code-block:: python

        from azure.core.credentials import AzureKeyCredential
        from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

        client = WebPubSubServiceClient(
            "https://name.webpubsub.azure.com", AzureKeyCredential("<access key>"), hub="chat"
        )

    The older form ``WebPubSubServiceClient(endpoint, hub, credential)`` means the same: a ``str`` is the hub. One
    client serves the tasks of one event loop. Nothing is connected before the first request.

    :param str endpoint: The service's endpoint, such as ``https://name.webpubsub.azure.com``.
    :param str hub: Name of the hub that operations are about, unless a call names another one with ``hub=``.
    :param credential: The access key, or an identity of Entra ID.
    :type credential: ~azure.core.credentials.AzureKeyCredential or ~azure.core.credentials_async.AsyncTokenCredential
    :keyword str api_version: The service's api-version. Default ``"2024-12-01"``.
    :keyword str reverse_proxy_endpoint: URL of a reverse proxy that REST requests go through; tokens and client URLs
        keep naming the endpoint.
    :keyword port: Port of the endpoint, in place of the one in its URL.
    :paramtype port: int or str
    :keyword float timeout: Seconds over all attempts at a request and the waits between them. Default 30.
    :keyword float connection_timeout: Seconds to connect. Default 5.
    :keyword float read_timeout: Seconds to wait for the next bytes of an answer. Default 10.
    :keyword bool retry_sends: Repeat sends that may have reached the service already, so that a message may be
        delivered twice. Default False: a send is repeated only when it surely did not run.
    :raises TypeError: if the arguments fit no form or a keyword is not known; other keywords are those of
        :class:`~azure.messaging.webpubsubservice.ClientOptions`.
    :raises ValueError: if the endpoint is no http or https URL.
    :raises ~msrest.exceptions.ValidationError: if the hub is no name of a hub.
    :ivar str endpoint: The service's endpoint, without a slash at its end.
    :ivar hub: Name of the hub that operations are about, or None.
    :vartype hub: str or None
    """

    @overload
    def __init__(
        self,
        endpoint: str,
        credential: AzureKeyCredential | AsyncTokenCredential,
        *,
        hub: str | None = None,
        **options: Unpack[ClientOptions],
    ) -> None: ...
    @overload
    def __init__(
        self,
        endpoint: str,
        hub: str,
        credential: AzureKeyCredential | AsyncTokenCredential,
        **options: Unpack[ClientOptions],
    ) -> None: ...
    def __init__(self, endpoint: str, *arguments: Any, **options: Any) -> None:
        self._set_up(Configuration(endpoint, arguments, options))

    @classmethod
    def from_connection_string(
        cls, connection_string: str, hub: str | None = None, **options: Unpack[ClientOptions]
    ) -> Self:
        """Make a client from a connection string: ``Endpoint=https://...;AccessKey=...;Version=1.0;``.

        .. code-block:: python

            from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

            key = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"
            client = WebPubSubServiceClient.from_connection_string(
                f"Endpoint=http://localhost:8080;AccessKey={key};Version=1.0;", hub="chat"
            )
            assert client.endpoint == "http://localhost:8080"

        :param str connection_string: As the Azure portal or the emulator shows it. A ``Port`` in it is heeded.
        :param str hub: Name of the hub that operations are about.
        :raises ValueError: if the string is broken or lacks a field; no error shows the key.
        :raises TypeError: if a keyword is not known.
        :rtype: ~azure.messaging.webpubsubservice.aio.WebPubSubServiceClient
        """
        client = cls.__new__(cls)
        client._set_up(Configuration.from_connection_string(connection_string, hub, options))  # noqa: SLF001 - our own class
        return client

    def _set_up(self, config: Configuration) -> None:
        super()._set_up(config)
        self._lock = allocate_lock()  # what threading.Lock is, without loading threading
        self._chain: Chain | None = None
        self._transport: Any = None

    def send_request(
        self,
        request: HttpRequest | None = None,
        *,
        stream: bool = False,
        http_request: HttpRequest | None = None,
        **options: Unpack[SendRequestOptions],
    ) -> Sending:
        """Send a request through the client's pipeline and return the answer, whatever its status.

        .. code-block:: python

            from azure.messaging.webpubsubservice.rest import build_send_to_all_request

            request = build_send_to_all_request("chat", json={"hello": "world"})
            response = await client.send_request(request)
            response.raise_for_status()

        A relative URL is joined to the endpoint. An absolute URL of another origin is sent without credentials. The
        request is copied, and may be sent again.

        :param request: A request, such as a ``build_..._request`` function returns.
        :type request: ~azure.core.rest.HttpRequest
        :keyword bool stream: Leave the answer's body to be read by the caller, who has to close it.
        :keyword http_request: The request, for code written for 1.0.0b1.
        :paramtype http_request: ~azure.core.rest.HttpRequest
        :raises TypeError: if a keyword is not known.
        :raises ~azure.core.exceptions.ServiceRequestError: if nothing could be sent.
        :raises ~azure.core.exceptions.ServiceResponseError: if no answer came.
        :rtype: ~collections.abc.Awaitable[~azure.core.rest.AsyncHttpResponse]
        """
        request, sending = self._config.sending(request, http_request, options, stream=stream)
        return Sending(self._respond(request, sending))

    async def _respond(self, request: HttpRequest, options: dict[str, Any]) -> AsyncHttpResponse:
        response: AsyncHttpResponse = (await self._open_chain().send(request, options, own=False)).http_response
        return response

    def list_connections(
        self,
        group: str,
        *,
        top: int | None = None,
        maxpagesize: int | None = None,
        continuation_token: str | None = None,
        **options: Unpack[CallOptions],
    ) -> AsyncItemPaged[GroupMember]:
        """List the connections of a group, page by page as they are asked for.

        .. code-block:: python

            async for member in client.list_connections("lobby"):
                print(member.connection_id, member.user_id)

        ``by_page(continuation_token)`` of the result goes on where an earlier one, with its ``continuation_token``,
        stopped.

        :param str group: Name of the group.
        :keyword int top: How many connections to list in all, at least 1.
        :keyword int maxpagesize: How many to fetch at a time, 1 to 200.
        :keyword str continuation_token: Where to go on.
        :raises ValueError: if there is no hub.
        :raises ~azure.core.exceptions.HttpResponseError: while iterating, if the service refuses.
        :rtype: ~azure.core.async_paging.AsyncItemPaged[~azure.messaging.webpubsubservice.GroupMember]
        """
        from azure.core.async_paging import AsyncItemPaged, AsyncList

        page_call(self._config, group, top, maxpagesize, continuation_token, options)  # bad arguments fail here

        async def fetch(token: str | None) -> Page:
            return await self._run(
                page_call(self._config, group, top, maxpagesize, token or continuation_token, options),
                "list_connections",
            )

        async def split(page: Page) -> tuple[str | None, AsyncIterator[GroupMember]]:
            return page[0], AsyncList(page[1])

        return AsyncItemPaged(fetch, split)

    list_connections_in_group = list_connections

    async def close(self) -> None:
        """Close the connections. Closing twice is fine; a closed client still mints tokens, but sends nothing."""
        self._config.is_closed = True
        if self._transport is not None:
            await self._transport.close()

    async def __aenter__(self) -> Self:
        self._config.check_open()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.close()

    def _connect(self) -> Chain:
        """Make the pipelines, with the first request: azure-core is imported here."""
        from azure.core.pipeline import AsyncPipeline
        from azure.core.pipeline.policies import AsyncRedirectPolicy

        from .._policies import AsyncEntraPolicy, Chain
        from .._retry import AsyncSendAwareRetryPolicy

        with self._lock:
            if self._chain is None:
                transport = self._config.options.get("transport")
                last: list[Any] = []
                if transport is None:
                    from ._transport import AsyncioTransport

                    transport = AsyncioTransport(**self._config.transport_options())
                else:
                    from .._callers_transport import AsyncCallersTransportPolicy

                    last.append(AsyncCallersTransportPolicy(self._config.options))
                self._transport = transport
                self._chain = Chain(
                    self._config,
                    transport,
                    last,
                    AsyncPipeline,
                    retry=AsyncSendAwareRetryPolicy,
                    redirect=AsyncRedirectPolicy,
                    credentials=AsyncEntraPolicy,
                )
        return self._chain

    def _open_chain(self) -> Chain:
        self._config.check_open()
        return self._chain or self._connect()

    async def _execute(self, call: Call[T], **_: Any) -> T:
        return call.read(await self._open_chain().send(call.request, call.options, own=True, traced=True))

    async def _run(self, result: Result[T], name: str) -> T:
        if isinstance(result, Done):
            return result.result
        chain = self._open_chain()
        span = chain.span_options(result.options)
        if span is None:
            return result.read(await chain.send(result.request, result.options, own=True, traced=False))
        from azure.core.tracing.decorator_async import distributed_trace_async

        traced = distributed_trace_async(name_of_span=f"{type(self).__name__}.{name}")(type(self)._execute)  # noqa: SLF001 - our own class
        outcome: T = await traced(self, result, **span)
        return outcome


def _method(build: Callable[..., Result[Any]]) -> Callable[..., Any]:
    async def method(self: WebPubSubServiceClient, *args: Any, **kwargs: Any) -> Any:
        return await self._run(build(self, *args, **kwargs), build.__name__)

    return method


install(Operations, WebPubSubServiceClient, _method)
