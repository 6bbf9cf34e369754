"""Runs the published Python service client for a test, in an environment of its own; knows nothing of this repository.

One line of JSON comes in for each call, one goes out for each answer. Bytes are {"$bytes": base64}, streams {"$stream":
base64}.
"""

import asyncio
import base64
import inspect
import io
import json
import sys
import time

from azure.core.credentials import AccessToken, AzureKeyCredential
from azure.core.exceptions import AzureError, HttpResponseError


class Token:
    """A token credential of either colour: ``await`` takes what its ``get_token`` returns there."""

    def __init__(self, colour):
        self.colour = colour

    def get_token(self, *scopes, **options):
        token = AccessToken("an-entra-token", int(time.time()) + 3600)
        return token if self.colour == "sync" else self.later(token)

    async def later(self, token):
        return token


class Services:
    def __init__(self, loop):
        self.loop = loop
        self.objects = {}

    def wait(self, value):
        return self.loop.run_until_complete(value) if inspect.isawaitable(value) else value

    def service(self, handle, colour, how, args, kwargs):
        if colour == "sync":
            from azure.messaging.webpubsubservice import WebPubSubServiceClient as Client
        else:
            from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient as Client
        if how == "connection_string":
            self.objects[handle] = Client.from_connection_string(*args, **kwargs)
        else:
            endpoint, hub, key = args
            credential = AzureKeyCredential(key) if key else Token(colour)
            self.objects[handle] = Client(endpoint, hub, credential, **kwargs)

    def call(self, handle, method, args, kwargs):
        return self.wait(getattr(self.objects[handle], method)(*args, **kwargs))

    def list(self, handle, pages, kwargs):
        paged = self.objects[handle].list_connections(**kwargs)
        if not hasattr(paged, "__aiter__"):
            return [list(map(member, page)) for page in paged.by_page()] if pages else list(map(member, paged))

        async def drain(iterator):
            return [member(each) async for each in iterator]

        async def drain_pages():
            # A page has to be read before the next one is asked for.
            return [await drain(page) async for page in paged.by_page()]

        return self.wait(drain_pages() if pages else drain(paged))

    def methods(self, handle):
        kind = type(self.objects[handle])
        return [name for name, _ in inspect.getmembers(kind, callable) if not name.startswith("_")]

    def close(self, handle):
        self.wait(self.objects.pop(handle).close())


def member(each):
    return [each.connection_id, each.user_id]


def unpack(value):
    if "$bytes" in value:
        return base64.b64decode(value["$bytes"])
    if "$stream" in value:
        return io.BytesIO(base64.b64decode(value["$stream"]))
    return value


def explain(error):
    found = {"name": type(error).__name__, "message": str(error)}
    if isinstance(error, HttpResponseError) and error.response is not None:
        found["statusCode"] = error.status_code
        found["code"] = error.response.headers.get("x-ms-error-code")
    return found


def main():
    loop = asyncio.new_event_loop()
    services = Services(loop)
    for line in sys.stdin:
        request = json.loads(line, object_hook=unpack)
        number, command = request.pop("id"), request.pop("command")
        try:
            answer = {"id": number, "result": getattr(services, command)(**request)}
        except (AzureError, ValueError, TypeError) as error:
            answer = {"id": number, "error": explain(error)}
        print(json.dumps(answer), flush=True)
    for handle in list(services.objects):
        services.close(handle)
    loop.close()


if __name__ == "__main__":
    main()
