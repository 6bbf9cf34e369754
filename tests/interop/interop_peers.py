"""The published WebSocket clients behind one face, so that one test holds for each of them.

Kinds are named ``library subprotocol``. What happens to a peer comes out of its queues; what it is told to do returns
when the client says that it is done, and raises :class:`RefusedError` when the service has refused it.
"""

import queue
from typing import NamedTuple

from interop_driver import WAIT, ThrownError

KINDS = {
    "python json": "json.webpubsub.azure.v1",
    "python json.reliable": "json.reliable.webpubsub.azure.v1",
    "aio json": "json.webpubsub.azure.v1",
    "aio json.reliable": "json.reliable.webpubsub.azure.v1",
    "javascript json": "json.webpubsub.azure.v1",
    "javascript json.reliable": "json.reliable.webpubsub.azure.v1",
    "javascript protobuf": "protobuf.webpubsub.azure.v1",
    "javascript protobuf.reliable": "protobuf.reliable.webpubsub.azure.v1",
    "newest-javascript json.reliable": "json.reliable.webpubsub.azure.v1",
}
RELIABLE = [kind for kind in KINDS if kind.endswith("reliable")]


class Message(NamedTuple):
    data_type: str
    data: object
    group: str | None = None
    sender: str | None = None


class RefusedError(Exception):
    """The service has answered an operation with a failure: name and message of its error."""


class Peer:
    """A client in another process, and queues for what happens to it."""

    def __init__(self, driver):
        self._driver = driver
        self._handle = driver.new_handle()
        self._queues = {
            name: queue.SimpleQueue()
            for name in ("message", "connected", "disconnected", "stopped", "not rejoined", "state", "stream")
        }
        driver.listen(self._handle, self._listen)

    def _listen(self, event, value):
        name, told = self.read_event(event, value)
        self._queues[name].put(told)

    def next(self, name):
        """Return what happens next, which must be soon."""
        try:
            return self._queues[name].get(timeout=WAIT)
        except queue.Empty:
            raise AssertionError(f"no {name} within {WAIT} seconds") from None

    def has(self, name):
        return not self._queues[name].empty()

    def messages(self, count):
        """Return the next messages, in any order: the synchronous Python client has a thread for each."""
        return sorted((self.next("message") for _ in range(count)), key=repr)

    def start(self):
        """Connect; return connection id and user id."""
        self.open()
        return self.next("connected")

    def dismiss(self):
        """Leave nothing behind, however the test has ended."""
        self._do("dismiss")

    def _do(self, command, **request):
        try:
            return self._driver.call(command, handle=self._handle, **request)
        except ThrownError as failure:
            detail = failure.error.get("errorDetail")
            if detail is None:
                raise
            raise RefusedError(detail["name"], detail["message"]) from failure


class PythonPeer(Peer):
    """``azure-messaging-webpubsubclient``.

    A call of the synchronous client misses an ack that comes too early, waits for all of
    ``ack_timeout``, and then succeeds; so that is short here.
    """

    def __init__(self, driver, colour, urls, protocol, *, retries=0, reconnect=True, rejoin=True):
        super().__init__(driver)
        options = {
            "protocol_type": protocol,
            "message_retry_total": retries,
            "message_retry_backoff_factor": 0.01,
            "reconnect_retry_total": 3 if reconnect else 0,
            "reconnect_retry_backoff_factor": 0.1,
            "auto_rejoin_groups": rejoin,
            "ack_timeout": 1.5,
            "start_timeout": 1.5,
        }
        driver.call("client", handle=self._handle, colour=colour, urls=urls, options=options)

    @staticmethod
    def read_event(event, value):
        if event == "connected":
            return "connected", (value["connection_id"], value["user_id"])
        if event == "disconnected":
            return "disconnected", (value["connection_id"], value["message"])
        if event == "stopped":
            return "stopped", None
        if event == "rejoin-group-failed":
            return "not rejoined", value["group"]
        return "message", Message(value["data_type"], value["data"], value.get("group"), value.get("from_user_id"))

    def do(self, method, *args, **kwargs):
        return self._do("call", method=method, args=args, kwargs=kwargs)

    def open(self):
        self.do("open")

    def join(self, group):
        self.do("join_group", group)

    def leave(self, group):
        self.do("leave_group", group)

    def send(self, group, data_type, data, **options):
        self.do("send_to_group", group, data, data_type, **options)

    def raise_event(self, name, data_type, data, **options):
        self.do("send_event", name, data, data_type, **options)

    def stop(self):
        self.do("close")
        self.next("stopped")


class JavaScriptPeer(Peer):
    """``@azure/web-pubsub-client``."""

    def __init__(self, driver, version, urls, protocol, *, retries=0, reconnect=True, rejoin=True, keep_alive=20_000):
        super().__init__(driver)
        options = {
            "messageRetryOptions": {"maxRetries": retries, "retryDelayInMs": 10},
            "reconnectRetryOptions": {"retryDelayInMs": 100},
            "autoReconnect": reconnect,
            "autoRejoinGroups": rejoin,
            "keepAliveIntervalInMs": keep_alive,
        }
        driver.call("client", handle=self._handle, version=version, urls=urls, protocol=protocol, options=options)

    @staticmethod
    def read_event(event, value):
        if event == "connected":
            return "connected", (value["connectionId"], value.get("userId") or None)
        if event == "disconnected":
            return "disconnected", (value.get("connectionId"), (value.get("message") or {}).get("message"))
        if event == "stopped":
            return "stopped", None
        if event == "rejoin-group-failed":
            return "not rejoined", value["group"]
        if event in ("state", "stream"):
            return event, value
        message = value["message"]
        return "message", Message(message["dataType"], message["data"], message.get("group"), message.get("fromUserId"))

    def do(self, method, *args):
        return self._do("call", method=method, args=args)

    def open(self):
        self.do("start")

    def join(self, group):
        return self.do("joinGroup", group)

    def leave(self, group):
        return self.do("leaveGroup", group)

    def send(self, group, data_type, data, **options):
        return self.do("sendToGroup", group, data, data_type, _camel(**options))

    def raise_event(self, name, data_type, data, **options):
        return self.do("sendEvent", name, data, data_type, _camel(**options))

    def invoke(self, name, data_type, data):
        return self.do("invokeEvent", name, data, data_type)

    def open_stream(self, *args):
        return StreamWriter(self._driver, self._handle, args)

    def begin_invoke(self, *args):
        return Invocation(self._driver, self._handle, args)

    def stop(self):
        self.do("stop")
        self.next("stopped")


class StreamWriter:
    """A stream that a JavaScript client has opened, and its errors."""

    def __init__(self, driver, client, args):
        self._driver, self._handle = driver, driver.new_handle()
        self.errors = queue.SimpleQueue()
        driver.listen(self._handle, lambda _, value: self.errors.put(value))
        self.stream_id = driver.call("open_stream", handle=self._handle, of=client, args=args)

    def do(self, method, *args):
        return self._driver.call("call", handle=self._handle, method=method, args=args)


class Invocation:
    """An invocation of a JavaScript client that is under way."""

    def __init__(self, driver, client, args):
        self._driver, self._handle = driver, driver.new_handle()
        driver.call("begin_invoke", handle=self._handle, of=client, args=args)

    def abort(self):
        return self._driver.call("abort_invoke", handle=self._handle)


def make_peer(kind, process, urls, **options):
    """Make a peer of a kind; ``process`` is a function that gives the process of a library."""
    library, protocol = kind.split()[0], KINDS[kind]
    if library in ("python", "aio"):
        return PythonPeer(process("python"), "sync" if library == "python" else "aio", urls, protocol, **options)
    version = "newest" if library.startswith("newest") else "pinned"
    return JavaScriptPeer(process("node"), version, urls, protocol, **options)


def _camel(*, no_echo=False, ack=True, ack_id=None):
    return {"noEcho": no_echo, "fireAndForget": not ack, **({} if ack_id is None else {"ackId": ack_id})}
