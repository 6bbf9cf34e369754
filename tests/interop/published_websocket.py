"""Runs the published Python WebSocket client for a test, in a process of its own: what it leaves open goes with it.

One line of JSON comes in for each call, one goes out for each answer and each event. Bytes are {"$bytes": base64}. Each
call of the synchronous client has a thread of its own; the asynchronous clients share an event loop.
"""

import asyncio
import base64
import contextlib
import json
import sys
import threading

from azure.messaging.webpubsubclient import WebPubSubClient, WebPubSubClientCredential, aio
from azure.messaging.webpubsubclient.models import CallbackType, OpenClientError, SendMessageError

_lock = threading.Lock()


def tell(value):
    with _lock:
        print(json.dumps(value, default=pack), flush=True)


def pack(value):
    if isinstance(value, Exception):
        return explain(value)
    return {"$bytes": base64.b64encode(bytes(value)).decode()}


def unpack(value):
    return memoryview(base64.b64decode(value["$bytes"])) if "$bytes" in value else value


def explain(error):
    found = {"name": type(error).__name__, "message": str(error)}
    detail = getattr(error, "error_detail", None)
    if detail is not None:
        found["errorDetail"] = {"name": detail.name, "message": detail.message}
    return found


def make_client(handle, next_url, options):
    def listener(event):
        return lambda *args: tell_event(handle, event, args)

    client = WebPubSubClient(WebPubSubClientCredential(next_url), **options)
    for event in CallbackType:
        client.subscribe(event, listener(event))
    return client


async def make_asynchronous_client(handle, next_url, options):
    async def next_url_later():
        return next_url()

    def listener(event):
        async def listen(*args):
            tell_event(handle, event, args)

        return listen

    client = aio.WebPubSubClient(aio.WebPubSubClientCredential(next_url_later), **options)
    for event in CallbackType:
        await client.subscribe(event, listener(event))
    return client


def tell_event(handle, event, args):
    tell({"on": handle, "event": event.value, "value": vars(args[0]) if args else {}})


class Clients:
    def __init__(self, loop):
        self.loop = loop
        self.clients = {}
        self.dismissed = set()

    def client(self, handle, colour, urls, options):
        def next_url():
            # A client that is closed while it reconnects may go on; without a URL it cannot.
            if handle in self.dismissed:
                raise RuntimeError("the test is over")
            # The last URL serves for every later connection.
            return urls.pop(0) if len(urls) > 1 else urls[0]

        if colour == "sync":
            self.clients[handle] = make_client(handle, next_url, options)
        else:
            self.clients[handle] = self.wait(make_asynchronous_client(handle, next_url, options))

    def wait(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()

    def call(self, handle, method, args, kwargs):
        result = getattr(self.clients[handle], method)(*args, **kwargs)
        return self.wait(result) if asyncio.iscoroutine(result) else result

    def dismiss(self, handle):
        """Close a client, and do not wait a second for the task that acknowledges each second."""
        self.dismissed.add(handle)
        client = self.clients[handle]
        if isinstance(client, WebPubSubClient):
            client.close()
        else:
            self.wait(self.close_now(client))

    async def close_now(self, client):
        task = client._task_seq_ack
        if task is not None:
            task.cancel()
        with contextlib.suppress(AttributeError):  # it was never opened
            await client.close()


def answer(clients, line):
    request = json.loads(line, object_hook=unpack)
    number, command = request.pop("id"), request.pop("command")
    try:
        tell({"id": number, "result": getattr(clients, command)(**request)})
    except (SendMessageError, OpenClientError) as error:
        tell({"id": number, "error": explain(error)})
    except BaseException as error:
        tell({"id": number, "error": explain(error)})
        raise


def main():
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    clients = Clients(loop)
    for line in sys.stdin:
        threading.Thread(target=answer, args=(clients, line), daemon=True).start()


if __name__ == "__main__":
    main()
