"""Both transports behind one blocking way to use them, and what their tests share."""

import asyncio
import traceback

import pytest
from azure.core.pipeline import AsyncPipeline, Pipeline
from azure.core.rest import HttpRequest

from azure.messaging.webpubsubservice._transport import Urllib3Transport
from azure.messaging.webpubsubservice.aio._transport import AiohttpTransport

SECRET = "canary-f00d"
PATH = f"/api/hubs/chat/:send?api-version=2024-12-01&access_token={SECRET}"
AUTHORIZATION = {"Authorization": f"Bearer {SECRET}"}


class SyncWire:
    kind = "sync"

    def __init__(self):
        self.transport = None

    def configure(self, **options):
        self.close()
        options.setdefault("use_env_settings", False)
        self.transport = Urllib3Transport(**options)
        return self

    def send(self, request, **options):
        return self.transport.send(request, **options)

    def open_and_close(self):
        with self.transport:
            pass

    def settle(self):
        pass

    def socket(self):
        """Return the socket of the connection that rests, of which there is one."""
        (route,) = self.transport._routes.values()
        return next(each for each in route.connections.pool.queue if each is not None).sock

    def run_policies(self, policies, request, **options):
        return Pipeline(self.transport, policies).run(request, **options).http_response

    def pieces(self, response, how="iter_bytes", most=None):
        with response:
            found = []
            for piece in getattr(response, how)():
                found.append(piece)
                if len(found) == most:
                    break
            return found

    def read(self, response):
        return response.read()

    def close(self):
        if self.transport is not None:
            self.transport.close()


class AioWire:
    kind = "aio"

    def __init__(self):
        self.transport = None
        self.loop = asyncio.new_event_loop()

    def configure(self, **options):
        self.close()
        options.setdefault("use_env_settings", False)
        self.transport = AiohttpTransport(**options)
        return self

    def run(self, awaitable):
        return self.loop.run_until_complete(awaitable)

    def send(self, request, **options):
        return self.run(self.transport.send(request, **options))

    def open_and_close(self):
        async def main():
            async with self.transport:
                pass

        self.run(main())

    def settle(self):
        """Let the loop see what happened to its sockets while it was not running."""

        async def main():
            await asyncio.sleep(0)
            await asyncio.sleep(0)

        self.run(main())

    def socket(self):
        """Return the socket of the connection that rests, of which there is one."""
        (resting,) = self.transport._session.connector._conns.values()
        return resting[0][0].transport.get_extra_info("socket")

    def run_policies(self, policies, request, **options):
        return self.run(AsyncPipeline(self.transport, policies).run(request, **options)).http_response

    def pieces(self, response, how="iter_bytes", most=None):
        async def main():
            async with response:
                found = []
                async for piece in getattr(response, how)():
                    found.append(piece)
                    if len(found) == most:
                        break
                return found

        return self.run(main())

    def read(self, response):
        return self.run(response.read())

    def close(self):
        if self.transport is not None:
            self.run(self.transport.close())


def post(server, content=b"hello", path=PATH, **headers):
    url = server if isinstance(server, str) else server.url
    return HttpRequest("POST", url + path, content=content, headers={**AUTHORIZATION, **headers})


def get(server, path="/"):
    return HttpRequest("GET", (server if isinstance(server, str) else server.url) + path)


def fails(wire, expected, request, **options):
    """Send, expect this very class, and look for the secret wherever an error may show it."""
    with pytest.raises(expected) as caught:
        wire.send(request, **options)
    assert type(caught.value) is expected
    assert_no_secret(caught.value)
    return caught.value


def assert_no_secret(error):
    shown = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    while error is not None:
        shown += repr(error) + repr(vars(error)) + repr(getattr(error, "inner_exception", None))
        error = error.__cause__ or error.__context__
    assert SECRET not in shown
    assert "hunter2" not in shown
