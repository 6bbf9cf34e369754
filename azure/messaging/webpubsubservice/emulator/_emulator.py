"""``WebPubSubEmulator``: the whole service as one object, in a thread of its own or in the running event loop."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, unquote, urlsplit

import jwt

from ._clock import Clock
from ._faults import RestFault, SocketFault
from ._forks import let_go, watch
from ._loop_thread import run_undisturbed
from ._record import Record, Recorder
from ._settings import describe_handlers, join_event_handlers, read_anonymous_hubs, read_event_handlers
from .hub._hub import Hub
from .hub._mqtt_switches import MqttSwitches
from .protocols._subprotocols import Protocols
from .rest._origin import parse_endpoint
from .rest._routes import Routes
from .rest._tokens import Tokens, check_key, signing_key
from .server._addresses import bind, host_of_url, is_loopback
from .server._admission import Admission
from .server._guard import NO_TOKENS, PUBLIC_KEY, UNREAD_TOKENS, Guard, check_hosts, check_origins
from .server._naming import Names
from .server._server import Server
from .server._switchboard import LOGGER, Limits, Switchboard
from .webhooks._identity import ManagedIdentity
from .webhooks._upstream import RETRY_DELAYS, TIMEOUT, Upstream

if TYPE_CHECKING:
    from ._client import Identity
    from ._connector import Connector
    from ._settings import Handlers
    from .console._console import Console

DEFAULT_ACCESS_KEY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"

_CLIENT_PATHS = {"default": "/client", "mqtt": "/clients/mqtt"}
_START_SECONDS = 10.0
_STOP_SECONDS = 10.0
_CALL_SECONDS = 30.0

_Result = TypeVar("_Result")


class WebPubSubEmulator:
    """Azure Web PubSub on this machine: REST, WebSocket clients and event handlers on one port.

    .. code-block:: python

        from azure.messaging.webpubsubservice import WebPubSubServiceClient
        from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator

        with WebPubSubEmulator() as emulator:
            with WebPubSubServiceClient.from_connection_string(emulator.connection_string, hub="chat") as client:
                client.send_to_all({"hello": "world"})
            assert [send.hub for send in emulator.record.sends] == ["chat"]

    ``with`` runs it in a daemon thread of its own, which works in notebooks too; ``async with`` runs it in the running
    event loop. Several emulators share nothing. An emulator can be started again after it was stopped.

    :keyword str host: Address to listen on: a loopback address, or ``localhost`` for 127.0.0.1 and, where there is
     IPv6, ::1. With ``allow_remote``, ``0.0.0.0`` or ``::`` for all addresses of the machine, of both kinds.
    :keyword int port: Port to listen on; 0 takes a free one.
    :keyword str endpoint: Endpoint by which clients know the emulator, such as ``https://name:443``, if a proxy or a
     tunnel stands between. By default the name by which each request came: ``Host``, or, from a peer near by,
     ``X-Forwarded-Host`` and ``X-Forwarded-Proto``.
    :keyword str access_key: Primary access key; by default that of Microsoft's own emulator.
    :keyword str secondary_key: Secondary access key, as good as the primary one.
    :keyword event_handlers: Event handlers by hub, ``_default`` for every other hub. For a hub, one handler or a list,
     of which the first that takes an event gets it: an ``EventHandler``, a mapping of its keywords (``url_template``,
     ``system_events``, ``user_event_pattern``), or, for all events, a URL or an object with ``handle``.
    :keyword bool accept_entra_tokens: Whether a bearer token that no key of the emulator has signed is taken for a
     Microsoft Entra token, without validation.
    :keyword bool allow_remote: Whether ``host`` may be an address other machines can reach.
    :keyword allowed_hosts: Host names by which it may be spoken to, beside those of this machine; ``*`` in one stands
     for anything. They are looked at while anybody can come in: while a key is the public default one, or with
     ``accept_entra_tokens`` or ``allow_anonymous``.
    :paramtype allowed_hosts: ~collections.abc.Sequence[str]
    :keyword allowed_origins: Origins whose web pages may speak to it, beside those of this machine, such as
     ``https://app.example.com``; ``*`` stands for anything, ``null`` for local files. Looked at like ``allowed_hosts``.
    :paramtype allowed_origins: ~collections.abc.Sequence[str]
    :keyword float clock_skew_seconds: How long a token is good before and after its time.
    :keyword float recovery_seconds: How long a lost reliable connection can be recovered.
    :keyword float keep_alive_seconds: Time between two WebSocket pings; a client that does not answer one is cut off.
    :keyword int max_connections: Sockets open at once; further ones are closed as they come.
    :keyword int max_unread_bytes: Bytes that may wait for a client who does not read them; with more it is cut off.
    :keyword int max_unread_total_bytes: Bytes that may wait for all clients together, each message counted for each
     client it waits for; with more, the client for whom the most waits is cut off first. As many may be kept for
     reliable clients, also lost ones, until they confirm them, each message counted once.
    :keyword float request_seconds: How long a peer may take for the head of its first request, and for a body. An HTTP
     connection on which no further request has come whole in four times as long is closed.
    :keyword event_retry_delays: Seconds to wait before each further call of an event handler that could not be reached
     or answered 408 or 5xx; empty for one call only. The service's own are 1, 3 and 5.
    :paramtype event_retry_delays: ~collections.abc.Sequence[float]
    :keyword float event_timeout_seconds: How long an event may take, all calls and delays together.
    :keyword bool close_on_failed_event: Whether a subprotocol client is disconnected when its event could not be
     handled, as the documentation says; without it, the client gets a failed ack and stays.
    :keyword bool text_frames_only: Whether JSON clients are refused UTF-8 in binary messages, as Microsoft's emulator
     does.
    :keyword bool protobuf_json_as_text: Whether JSON goes to protobuf clients in ``text_data``, as older documents have
     it, not in ``json_data``.
    :keyword allow_anonymous: Hubs into which clients may come without a token, as anonymous users without roles; True
     for every hub. The service's own word for it is ``anonymousConnectPolicy``.
    :paramtype allow_anonymous: bool or ~collections.abc.Iterable[str]
    :keyword bool mqtt_lenient_client_ids: Whether ``_`` and ``-`` may stand in the client ids of MQTT clients; the
     documents allow letters and digits only.
    :keyword bool mqtt_events_need_role: Whether an MQTT client needs a role to publish to the topic of an event.
    :keyword bool mqtt_metadata_as_user_properties: Whether metadata of messages goes to MQTT 5.0 clients as user
     properties.
    :keyword int mqtt_default_qos: QoS, from 0 to 2, of a group that an MQTT client is in without having subscribed.
    :keyword bool console: Whether there is a web page at ``/console/`` that shows what happens and lets one act; its
     address, with the token that it takes, is :attr:`console_url`.
    :raises ValueError: if ``host`` is not a loopback address and ``allow_remote`` is not set, or a setting is wrong.
    """

    # Nothing else can be set: what somebody sets in the belief that there is such a setting would be without effect.
    __slots__ = (
        "__weakref__",
        "_added_handlers",
        "_asked_port",
        "_clock",
        "_console",
        "_console_hosts",
        "_endpoint",
        "_event_handlers",
        "_event_timeout",
        "_halt",
        "_host",
        "_identity",
        "_keys",
        "_loop",
        "_loop_thread",
        "_make_service",
        "_on_call",
        "_port",
        "_record",
        "_retry_delays",
        "_server",
        "_switchboard",
        "_thread",
        "_tokens",
    )

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        endpoint: str | None = None,
        access_key: str = DEFAULT_ACCESS_KEY,
        secondary_key: str | None = None,
        event_handlers: Mapping[str, Any] | None = None,
        accept_entra_tokens: bool = False,
        allow_remote: bool = False,
        allowed_hosts: Sequence[str] = (),
        allowed_origins: Sequence[str] = (),
        clock_skew_seconds: float = 300.0,
        recovery_seconds: float = 30.0,
        keep_alive_seconds: float = 20.0,
        max_connections: int = 20_000,
        max_unread_bytes: int = 16 * 1024 * 1024,
        max_unread_total_bytes: int = 256 * 1024 * 1024,
        request_seconds: float = 30.0,
        event_retry_delays: Sequence[float] = RETRY_DELAYS,
        event_timeout_seconds: float = TIMEOUT,
        close_on_failed_event: bool = False,
        text_frames_only: bool = False,
        protobuf_json_as_text: bool = False,
        allow_anonymous: bool | Iterable[str] = False,
        mqtt_lenient_client_ids: bool = False,
        mqtt_events_need_role: bool = False,
        mqtt_metadata_as_user_properties: bool = False,
        mqtt_default_qos: int = 1,
        console: bool = False,
    ) -> None:
        keys = [check_key("access_key", access_key)]
        if secondary_key is not None:
            keys.append(check_key("secondary_key", secondary_key))
        if mqtt_default_qos not in (0, 1, 2):
            raise ValueError(f"'mqtt_default_qos' is 0, 1 or 2 (got {mqtt_default_qos!r})")
        if not allow_remote and not is_loopback(host):
            raise ValueError(
                f"'host' {host!r} can be reached from other machines: give a loopback address, or allow_remote=True"
            )
        self._port = port
        recorder = Recorder(lambda: threading.get_ident() == self._loop_thread)
        self._clock = Clock(self._tick)
        self._record = recorder
        self._host = host
        self._endpoint = None if endpoint is None else parse_endpoint(endpoint)
        self._asked_port = port
        self._tokens = Tokens(keys, clock_skew=clock_skew_seconds, accept_entra=accept_entra_tokens)
        self._keys = keys
        weaknesses = {
            PUBLIC_KEY: DEFAULT_ACCESS_KEY in keys,
            UNREAD_TOKENS: accept_entra_tokens,
            NO_TOKENS: bool(allow_anonymous),
        }
        weakness = next((each for each, is_there in weaknesses.items() if is_there), None)
        own_hosts = [host] if self._endpoint is None else [host, self._endpoint[1]]
        hosts, origins = [*own_hosts, *check_hosts(allowed_hosts)], check_origins(allowed_origins)
        self._on_call = recorder.add_webhook
        self._event_handlers = read_event_handlers(event_handlers)
        self._added_handlers: Handlers = {}
        self._retry_delays = tuple(event_retry_delays)
        self._event_timeout = event_timeout_seconds
        self._identity = ManagedIdentity(lambda: self.endpoint)
        mqtt = MqttSwitches(
            mqtt_lenient_client_ids, mqtt_events_need_role, mqtt_metadata_as_user_properties, mqtt_default_qos
        )
        limits = Limits(
            max_unread=max_unread_bytes,
            max_unread_total=max_unread_total_bytes,
            max_sockets=max_connections,
            keep_alive=keep_alive_seconds,
            request=request_seconds,
        )
        protocols = Protocols(text_only=text_frames_only, json_as_text=protobuf_json_as_text)
        admission = Admission(self._tokens, protocols, read_anonymous_hubs(allow_anonymous))
        guard = None if weakness is None else Guard(weakness, hosts, origins)

        def make_hub(name: str) -> Hub:
            return Hub(name, recovery_seconds=recovery_seconds, close_on_failed_event=close_on_failed_event, mqtt=mqtt)

        def make_service() -> tuple[Switchboard, Server]:
            board = Switchboard(self._clock, recorder, make_hub, limits)
            routes = Routes(self._tokens, board.find_hub, self._identity.document)
            return board, Server(self._clock, recorder, routes, admission, board, guard=guard)

        self._make_service = make_service
        self._switchboard, self._server = make_service()
        # None for no console, which is made at each start.
        self._console_hosts = hosts if console else None
        self._console: Console | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread: int | None = None
        self._thread: threading.Thread | None = None
        self._halt: asyncio.Event | None = None

    @property
    def access_key(self) -> str:
        """Primary access key."""
        return self._keys[0]

    @property
    def port(self) -> int:
        """Port it listens on; the one asked for until it has started."""
        return self._port

    @property
    def clock(self) -> Clock:
        """The emulator's time, which a test can move forward."""
        return self._clock

    @property
    def record(self) -> Record:
        """What the emulator has seen."""
        return self._record

    @property
    def endpoint(self) -> str:
        """Endpoint of the service, such as ``http://127.0.0.1:8080``; the one given as ``endpoint``, if any."""
        scheme, name = self._endpoint or ("http", f"{host_of_url(self._host)}:{self.port}")
        return f"{scheme}://{name}"

    @property
    def connection_string(self) -> str:
        """Connection string with the endpoint and the primary access key."""
        return f"Endpoint={self.endpoint};AccessKey={self.access_key};Version=1.0;"

    @property
    def console_url(self) -> str:
        """URL of the console, with the token for this run: whoever has it may do everything.

        :raises RuntimeError: if there is no console, or the emulator is not running.
        """
        if self._console is None:
            missing = "has no console: make it with console=True" if self._console_hosts is None else "is not running"
            raise RuntimeError(f"the emulator {missing}")
        return f"http://{host_of_url(self._host)}:{self.port}/console/#{self._console.token}"

    def __repr__(self) -> str:
        return f"<WebPubSubEmulator endpoint:{self.endpoint!r}>"

    # Life

    def start(self) -> None:
        """Start in a thread of its own; accepts connections when this returns.

        :raises RuntimeError: if it is running already.
        :raises OSError: if the port is in use.
        """
        self._check_stopped()
        sockets = self._listen()
        started = threading.Event()
        failure: list[BaseException] = []

        def run() -> None:
            try:
                run_undisturbed(self._run(sockets, started), _log_stray)
            except BaseException as error:
                failure.append(error)
            finally:
                started.set()

        self._thread = threading.Thread(target=run, name=f"webpubsub-emulator-{self.port}", daemon=True)
        self._thread.start()
        if not started.wait(_START_SECONDS):
            raise RuntimeError(f"the emulator did not start within {_START_SECONDS} seconds")
        if failure:
            self._thread = None
            raise failure[0]

    def stop(self) -> None:
        """Close every client with 1001 and stop; returns when the port is free. Does nothing if it is not running."""
        thread, loop, halt = self._thread, self._loop, self._halt
        if thread is None or loop is None or halt is None:
            return
        loop.call_soon_threadsafe(halt.set)
        thread.join(_STOP_SECONDS)
        self._thread = None

    async def start_async(self) -> None:
        """Start in the running event loop.

        :raises RuntimeError: if it is running already.
        :raises OSError: if the port is in use.
        """
        self._check_stopped()
        await self._begin(self._listen())

    async def stop_async(self) -> None:
        """Close every client with 1001 and stop, in the event loop it was started in."""
        if self._loop is not None:
            await self._close_console()
            await self._server.stop()
            self._loop = self._loop_thread = None

    def __enter__(self) -> WebPubSubEmulator:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    async def __aenter__(self) -> WebPubSubEmulator:
        await self.start_async()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop_async()

    async def _run(self, sockets: list[socket.socket], started: threading.Event) -> None:
        self._halt = asyncio.Event()
        await self._begin(sockets)
        started.set()
        await self._halt.wait()
        await self.stop_async()

    async def _begin(self, sockets: list[socket.socket]) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        watch(self, WebPubSubEmulator._leave_to_parent)
        try:
            self._open_console()
            self._route_events()
            own = [f"{name}:{self.port}" for name in (host_of_url(self._host), "localhost", "127.0.0.1", "[::1]")]
            await self._server.start(sockets, Names(own, self._endpoint))
        except BaseException:
            self._loop = self._loop_thread = None
            for each in sockets:
                each.close()
            raise

    def _leave_to_parent(self) -> object:
        """Stop, in a forked child, without touching what is the parent's; return what must not be collected."""
        left = (self._loop, self._switchboard, self._server)
        if self._loop is not None:
            let_go(self._server.file_numbers())
            self._switchboard, self._server = self._make_service()
            self._loop = self._loop_thread = self._thread = self._halt = self._console = None
            self._record.listener = None
        self._record.renew_lock()
        return left

    def _open_console(self) -> None:
        if self._console_hosts is None:
            return
        from .console._api import Emulator
        from .console._console import Console

        seen = Emulator(
            self._server,
            self._switchboard,
            self._tokens,
            self.clock,
            self.endpoint,
            self.connection_string,
            self.client_url,
            self._forget,
        )
        self._console = Console(seen, self._console_hosts)
        self._server.mounted["console"] = self._console.handle
        self._record.listener = self._console.timeline.add

    async def _close_console(self) -> None:
        if self._console is not None:
            self._record.listener = None
            self._server.mounted.clear()
            await self._console.close()
            self._console = None

    def _check_stopped(self) -> None:
        if self._loop is not None:
            raise RuntimeError(f"the emulator at {self.endpoint} is running already")

    def _listen(self) -> list[socket.socket]:
        sockets = bind(self._host, self._asked_port)
        self._port = sockets[0].getsockname()[1]
        if not is_loopback(self._host):
            LOGGER.warning(
                "Other machines can reach this emulator at %s, port %d%s.",
                self._host,
                self.port,
                ", with the access key that everybody knows" if DEFAULT_ACCESS_KEY in self._keys else "",
            )
        return sockets

    # For tests

    def client_url(
        self,
        hub: str,
        user_id: str | None = None,
        roles: Iterable[str] | None = None,
        groups: Iterable[str] | None = None,
        minutes_to_expire: float = 60,
        *,
        client_protocol: str = "Default",
    ) -> str:
        """Return the URL with which a WebSocket client connects.

        :param str hub: Name of the hub.
        :param str user_id: User id; None makes an anonymous client.
        :param roles: Roles, such as ``webpubsub.sendToGroup``.
        :param groups: Groups the client is in from the start.
        :param float minutes_to_expire: Minutes in which the client has to connect.
        :keyword str client_protocol: ``Default``, or ``MQTT`` for an MQTT client.
        :raises ValueError: if there is no such protocol.
        """
        if client_protocol.lower() not in _CLIENT_PATHS:
            raise ValueError(f"'client_protocol' is 'Default' or 'MQTT' (got {client_protocol!r})")
        now = int(self.clock.now())
        path = f"{_CLIENT_PATHS[client_protocol.lower()]}/hubs/{quote(hub, safe='')}"
        claims = {
            "aud": self.endpoint + path,
            "iat": now,
            "exp": int(now + minutes_to_expire * 60),
            "sub": user_id,
            "role": list(roles or ()),
            "webpubsub.group": list(groups or ()),
        }
        claims = {name: value for name, value in claims.items() if value not in (None, [])}
        token = jwt.encode(claims, signing_key(self.access_key), algorithm="HS256")
        return f"ws{(self.endpoint + path).removeprefix('http')}?access_token={token}"

    def connect(
        self,
        hub: str,
        user_id: str | None = None,
        *,
        groups: Iterable[str] | None = None,
        roles: Iterable[str] | None = None,
        subprotocol: str | None = None,
        timeout: float = 10.0,
    ) -> Connector:
        """Connect a WebSocket client for a test, as a browser would: ``with`` gives a client, and closes it at its end.

        In an event loop write ``async with``, and ``await`` what the client does. Example::

            from azure.messaging.webpubsubservice import WebPubSubServiceClient
            from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator

            with WebPubSubEmulator() as emulator, emulator.connect("chat", user_id="ada", groups=["cats"]) as ada:
                with WebPubSubServiceClient.from_connection_string(emulator.connection_string, hub="chat") as service:
                    service.send_to_group("cats", {"text": "a purr"})
                assert ada.receive_json() == {"text": "a purr"}

        :param str hub: Name of the hub; or the URL that your backend gives to a browser, which says all that follows.
        :param str user_id: User id; None makes an anonymous client.
        :keyword groups: Groups the client is in from the start.
        :keyword roles: Roles, such as ``webpubsub.sendToGroup``.
        :keyword str subprotocol: Subprotocol, such as ``json.webpubsub.azure.v1``; None makes a simple client.
        :keyword float timeout: Seconds that connecting, receiving a message and closing may take, each.
        :raises RuntimeError: if the emulator is not running.
        :raises ValueError: if there is a user id, a group or a role beside a URL; for the subprotocol ``mqtt``, which
         needs a client of its own.
        :raises ~azure.messaging.webpubsubservice.emulator.ClientRefusedError: when it is entered, if the client is not
         let in.
        """
        from ._client import Place
        from ._connector import Connector

        if subprotocol is not None and subprotocol.lower() == "mqtt":
            raise ValueError("MQTT needs an MQTT client, such as paho-mqtt, at client_url(..., client_protocol='MQTT')")
        if self._loop is None:
            raise RuntimeError("the emulator is not running: start it, or use it in a 'with' block")
        if "://" not in hub:
            url = self.client_url(hub, user_id, roles, groups)
        elif user_id is None and groups is None and roles is None:
            url, hub = hub, unquote(urlsplit(hub).path.rpartition("/")[2])
        else:
            raise ValueError("the token in the URL says who the client is: give no 'user_id', 'groups' or 'roles'")
        place = Place(
            "ws" + url[url.index(":") :],
            (host_of_url(self._host).strip("[]"), self.port),
            hub,
            subprotocol,
            timeout,
            identify=lambda address: self._call(lambda: self._identify(address)),
            sends=lambda: self.record.sends,
            must_not_wait=lambda: threading.get_ident() == self._loop_thread,
        )
        return Connector(place)

    def _identify(self, address: tuple[Any, ...]) -> Identity | None:
        from ._client import Identity

        found = self._switchboard.identify(address)
        return None if found is None else Identity(found.connection_id, found.user_id, found.protocol is not None)

    def add_event_handler(self, hub: str, handler: Any) -> None:
        """Send the events of a hub to one more handler, from now on and until :meth:`reset`.

        It is asked before the handlers that are there, also about clients that are connected already. Example::

            from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator
            from azure.messaging.webpubsubservice.eventhandler import WebPubSubEventHandler

            with WebPubSubEmulator() as emulator, emulator.connect("chat", user_id="ada") as ada:
                handler = WebPubSubEventHandler("chat", connection_string=emulator.connection_string)
                handler.on_event("message")(lambda request: f"{request.user_id} said {request.data}")
                emulator.add_event_handler("chat", handler)
                ada.send_text("hello")
                assert ada.receive_text() == "ada said hello"

        :param str hub: Name of the hub, ``_default`` for every hub without handlers of its own.
        :param handler: What ``event_handlers`` takes for a hub: an ``EventHandler``, a mapping of its keywords, a URL,
         an object with ``handle``, a function, or a list of these.
        :raises ValueError: if it is of another form.
        """
        added = read_event_handlers({hub: handler})
        self._added_handlers = join_event_handlers(added, self._added_handlers)
        self._call(self._route_events)

    def replace_event_handlers(self, event_handlers: Mapping[str, Any] | None) -> None:
        """Put other event handlers in the place of those given at construction; those added since stay.

        :param event_handlers: As at construction.
        :raises ValueError: if they are of another form; nothing has changed then.
        """
        self._event_handlers = read_event_handlers(event_handlers)
        self._call(self._route_events)

    def _route_events(self) -> None:
        """Let the event handlers that there are now take the events from here on."""
        handlers = join_event_handlers(self._added_handlers, self._event_handlers)
        desk = self._switchboard.desk
        if (desk.upstream.handlers if desk.upstream else {}) == handlers or self._loop is None:
            return
        if desk.upstream is not None:
            desk.upstream.handlers = handlers
        else:
            upstream = Upstream(
                handlers,
                keys=self._keys,
                on_call=self._on_call,
                now=self.clock.now,
                retry_delays=self._retry_delays,
                timeout=self._event_timeout,
                sign=self._identity.token,
            )
            desk.start(upstream, self._switchboard.contexts())
        for line in describe_handlers(handlers):
            LOGGER.info("%s", line)

    def inject(self, fault: RestFault | SocketFault) -> None:
        """Arm a fault: it happens to the next requests or sockets that match, as often as it says.

        :param fault: The fault.
        :type fault: ~azure.messaging.webpubsubservice.emulator.RestFault or
         ~azure.messaging.webpubsubservice.emulator.SocketFault
        """
        self._call(lambda: self._switchboard.inject(fault))

    def reset(self) -> None:
        """Return to how it was when it started: no clients, no faults, an empty record, the machine's time.

        Event handlers that were added later are gone, too.
        """
        self._call(self._forget)

    def _forget(self) -> None:
        self._switchboard.reset()
        self._added_handlers = {}
        self._route_events()
        self.record.clear()
        if self._console is not None:
            self._console.timeline.clear()
        self.clock.reset()

    def _tick(self) -> None:
        self._call(self._switchboard.tick)

    def _call(self, function: Callable[[], _Result]) -> _Result:
        """Run a function in the emulator's thread and return what it returns."""
        loop = self._loop
        if loop is None or threading.get_ident() == self._loop_thread:
            return function()

        async def call() -> _Result:
            return function()

        return asyncio.run_coroutine_threadsafe(call(), loop).result(_CALL_SECONDS)


def _log_stray(error: BaseException) -> None:
    LOGGER.error("A task in the emulator's event loop raised %s.", type(error).__name__, exc_info=error)
