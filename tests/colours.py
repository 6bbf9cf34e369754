"""Clients whose colour is hidden, so that one test body serves both, and the WebSockets that they send to."""

import asyncio
import inspect
import json
import time

WAIT = 10


class Colour:
    """Makes clients of one colour whose calls are plain calls, so that one test serves both."""

    def __init__(self, name):
        self.name = name
        self.loop = None if name == "sync" else asyncio.new_event_loop()

    @property
    def client_class(self):
        if self.loop is None:
            from azure.messaging.webpubsubservice import WebPubSubServiceClient
        else:
            from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient
        return WebPubSubServiceClient

    def azure_transport(self, **options):
        """Make azure-core's own transport of this colour."""
        from azure.core.pipeline.transport import AioHttpTransport, RequestsTransport

        return (RequestsTransport if self.loop is None else AioHttpTransport)(**options)

    def run(self, value):
        """Wait for what a call gave, if it has to be waited for."""
        if inspect.isawaitable(value):
            return self.loop.run_until_complete(value)
        if hasattr(value, "by_page"):
            return Paged(self, value)
        return value

    def next(self, iterator):
        """Take one item of an iterator of either colour."""
        if hasattr(iterator, "__anext__"):
            try:
                return self.loop.run_until_complete(iterator.__anext__())
            except StopAsyncIteration:
                raise StopIteration from None
        return next(iterator)

    def drain(self, iterator):
        """Take every item of an iterator of either colour."""
        if not hasattr(iterator, "__aiter__"):
            return list(iterator)

        async def collect():
            return [item async for item in iterator]

        return self.loop.run_until_complete(collect())

    def token_credential(self, token="an-entra-token"):
        return (SyncTokenCredential if self.loop is None else AsyncTokenCredential)(token)

    def close(self):
        if self.loop is not None:
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.close()


class Plain:
    """A client of either colour, called without await."""

    def __init__(self, colour, client):
        self._colour = colour
        self.client = client

    def __getattr__(self, name):
        value = getattr(self.client, name)
        if not callable(value):
            return value
        return lambda *args, **kwargs: self._colour.run(value(*args, **kwargs))


class Paged:
    def __init__(self, colour, paged):
        self._colour = colour
        self._paged = paged

    def __iter__(self):
        return iter(self._colour.drain(self._paged))

    def by_page(self, continuation_token=None):
        return Pages(self._colour, self._paged.by_page(continuation_token))


class Pages:
    """Pages as lists; ``continuation_token`` is where the next one is."""

    def __init__(self, colour, pages):
        self._colour = colour
        self._pages = pages

    def __iter__(self):
        return self

    def __next__(self):
        return self._colour.drain(self._colour.next(self._pages))

    @property
    def continuation_token(self):
        return self._pages.continuation_token


class SyncTokenCredential:
    def __init__(self, token):
        self.token = token
        self.scopes = []

    def get_token(self, *scopes, **_):
        from azure.core.credentials import AccessToken

        self.scopes.append(scopes)
        return AccessToken(self.token, int(time.time()) + 3600)

    def close(self):
        pass


class AsyncTokenCredential:
    def __init__(self, token):
        self._credential = SyncTokenCredential(token)

    @property
    def scopes(self):
        return self._credential.scopes

    async def get_token(self, *scopes, **options):
        return self._credential.get_token(*scopes, **options)

    async def close(self):
        pass

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        pass


class WebSocket:
    """A WebSocket client that we did not write, and what it was told when it connected."""

    def __init__(self, socket):
        self.socket = socket
        self.id = None
        if socket.subprotocol is not None:
            connected = self.receive()
            assert connected["event"] == "connected", connected
            self.id = connected["connectionId"]
            self.user_id = connected.get("userId")

    def receive(self):
        """Return the next message: a frame of the subprotocol as a dict, else text or bytes as they came."""
        message = self.socket.recv(timeout=WAIT)
        return message if self.socket.subprotocol is None else json.loads(message)

    def data(self):
        """Return type and data of the next message, which must be one."""
        frame = self.receive()
        assert frame["type"] == "message", frame
        return frame["dataType"], frame["data"]

    def send(self, **frame):
        self.socket.send(json.dumps(frame))

    def close_reason(self):
        """Return the reason of the disconnection, which must come now."""
        frame = self.receive()
        assert (frame["type"], frame["event"]) == ("system", "disconnected"), frame
        return frame.get("message")

    def closed(self):
        """Wait until the socket is closed, with nothing more received, and say with what code."""
        from websockets.exceptions import ConnectionClosed

        try:
            message = self.socket.recv(timeout=WAIT)
        except ConnectionClosed as error:
            return error.rcvd.code if error.rcvd else None
        raise AssertionError(f"not closed, but received {message!r}")


def headers_of(request):
    """Return the headers of a recorded request, which must not come twice."""
    headers = dict(request.headers)
    assert len(headers) == len(request.headers), request.headers
    return headers
