"""MQTT clients that we did not write, behind one face: paho-mqtt, aiomqtt and MQTT.js, each in both versions."""

import asyncio
import contextlib
import queue
import threading
from typing import NamedTuple
from urllib.parse import urlsplit

import aiomqtt
import paho.mqtt.client as paho
from interop_driver import WAIT, ThrownError
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

KINDS = [f"{library} {version}" for library in ("paho", "aiomqtt", "MQTT.js") for version in (4, 5)]


class Message(NamedTuple):
    topic: str
    payload: bytes
    qos: int
    content_type: str | None = None
    user_properties: tuple = ()
    correlation_data: bytes | None = None


class RefusedError(Exception):
    """The service has refused something with a code."""


def target(url):
    """Return host, port and path of a URL."""
    parts = urlsplit(url)
    return parts.hostname, parts.port, f"{parts.path}?{parts.query}"


def packed(kind, **values):
    """Return properties of paho, None if there are none."""
    found = Properties(kind)
    for name, value in values.items():
        if value is not None:
            setattr(found, name, value)
    return found if any(value is not None for value in values.values()) else None


def message_properties(version, content_type, correlation_data, user_properties):
    if version == 4:
        return None
    return packed(
        PacketTypes.PUBLISH,
        ContentType=content_type,
        CorrelationData=correlation_data,
        UserProperty=list(user_properties) or None,
    )


def received(message):
    properties = getattr(message, "properties", None)
    return Message(
        str(message.topic),
        bytes(message.payload),
        message.qos,
        getattr(properties, "ContentType", None),
        tuple(getattr(properties, "UserProperty", ())),
        getattr(properties, "CorrelationData", None),
    )


class Peer:
    """What happens to a client comes out of its queues."""

    def __init__(self, version):
        self.version = version
        self.queues = {name: queue.SimpleQueue() for name in ("connected", "message", "closed", "code")}

    def put(self, name, value):
        self.queues[name].put(value)

    def next(self, name="message"):
        try:
            return self.queues[name].get(timeout=WAIT)
        except queue.Empty:
            raise AssertionError(f"no {name} within {WAIT} seconds") from None


class PahoPeer(Peer):
    """``paho-mqtt`` with its own thread; it connects again by itself."""

    def __init__(self, version, url, client_id, *, keep=False, will=None, login=None):
        super().__init__(version)
        options = {"clean_session": not keep} if version == 4 else {}
        self.client = paho.Client(
            paho.CallbackAPIVersion.VERSION2,
            client_id,
            protocol=paho.MQTTProtocolVersion(version),
            transport="websockets",
            reconnect_on_failure=keep,
            **options,
        )
        host, port, path = target(url)
        self.client.ws_set_options(path=path)
        self.client.reconnect_delay_set(1, 1)
        if will is not None:
            self.client.will_set(*will)
        if login is not None:
            self.client.username_pw_set(*login)
        self.client.on_connect = self._on_connect
        self.client.on_message = lambda _, __, message: self.put("message", received(message))
        self.client.on_disconnect = self._on_disconnect
        self.client.on_subscribe = lambda _, __, ___, codes, ____: self.put("code", [code.value for code in codes])
        self.client.on_publish = lambda _, __, ___, code, ____: self.put("code", code.value)
        more = {}
        if version == 5:
            properties = packed(PacketTypes.CONNECT, SessionExpiryInterval=30 if keep else None)
            more = {"clean_start": not keep, "properties": properties}
        self.client.connect(host, port, keepalive=60, **more)
        self.client.loop_start()

    def _on_connect(self, client, userdata, flags, code, properties):
        if code.is_failure:
            self.put("code", code.value)
        else:
            self.put("connected", (flags.session_present, tuple(getattr(properties, "UserProperty", ()))))

    def _on_disconnect(self, client, userdata, flags, code, properties):
        self.put("closed", code.value if flags.is_disconnect_packet_from_server else None)

    def subscribe(self, topic, qos=0):
        self.client.subscribe(topic, qos)
        (code,) = self.next("code")
        if code >= 0x80:
            raise RefusedError(code)
        return code

    def publish(self, topic, payload, qos=0, content_type=None, correlation_data=None, *, user_properties=()):
        properties = message_properties(self.version, content_type, correlation_data, user_properties)
        self.client.publish(topic, payload, qos, properties=properties)
        code = self.next("code")
        if code >= 0x80:
            raise RefusedError(code)

    def leave(self):
        self.client.disconnect()
        self.client.loop_stop()


class AiomqttPeer(Peer):
    """``aiomqtt`` in an event loop of a thread of its own."""

    def __init__(self, version, url, client_id, *, keep=False, will=None, login=None):
        super().__init__(version)
        host, port, path = target(url)
        more = {"clean_session": not keep} if version == 4 else {"clean_start": not keep}
        if version == 5 and keep:
            more["properties"] = packed(PacketTypes.CONNECT, SessionExpiryInterval=30)
        self._make = lambda: aiomqtt.Client(
            host,
            port,
            identifier=client_id,
            protocol=aiomqtt.ProtocolVersion(version),
            transport="websockets",
            websocket_path=path,
            will=None if will is None else aiomqtt.Will(*will),
            username=None if login is None else login[0],
            password=None if login is None else login[1],
            timeout=WAIT,
            **more,
        )
        self._keep = keep
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()
        self._ready.wait(WAIT)

    async def _run(self):
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        self._ready.set()
        while not self._over.is_set() and await self._stay():
            pass

    async def _stay(self):
        """Connect, and return once the connection has ended: True if another one is to follow."""
        try:
            async with self._make() as self.client:
                self.put("connected", None)
                reader = asyncio.create_task(self._read())
                over = asyncio.create_task(self._over.wait())
                await asyncio.wait([reader, over], return_when=asyncio.FIRST_COMPLETED)
                over.cancel()
                await reader if reader.done() else reader.cancel()
        except aiomqtt.MqttCodeError as error:
            self.put("code", getattr(error.rc, "value", error.rc))
            self.put("closed", None)
            return False
        except aiomqtt.MqttError:
            self.put("closed", None)
        return self._keep

    async def _read(self):
        async for message in self.client.messages:
            self.put("message", received(message))

    def _do(self, work):
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result(WAIT)
        except aiomqtt.MqttCodeError as error:
            raise RefusedError(getattr(error.rc, "value", error.rc)) from error

    def subscribe(self, topic, qos=0):
        (code,) = self._do(self.client.subscribe(topic, qos))
        code = getattr(code, "value", code)
        if code >= 0x80:
            raise RefusedError(code)
        return code

    def publish(self, topic, payload, qos=0, content_type=None, correlation_data=None, *, user_properties=()):
        properties = message_properties(self.version, content_type, correlation_data, user_properties)
        self._do(self.client.publish(topic, payload, qos, properties=properties))

    def leave(self):
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(WAIT)


class JavaScriptPeer(Peer):
    """``mqtt`` of npm, in Node; it connects again by itself."""

    def __init__(self, version, url, client_id, driver, *, keep=False, will=None, login=None):
        super().__init__(version)
        self._driver, self._handle = driver, driver.new_handle()
        options = {"clientId": client_id, "protocolVersion": version, "clean": not keep, "keepalive": 60}
        if keep and version == 5:
            options["properties"] = {"sessionExpiryInterval": 30}
        if will is not None:
            options["will"] = dict(zip(("topic", "payload", "qos"), will, strict=True))
        if login is not None:
            options |= {"username": login[0], "password": login[1]}
        driver.listen(self._handle, self._listen)
        self._call("connect", url=url, options=options)

    def _listen(self, event, value):
        if event == "connected":
            self.put("connected", (value["present"], _pairs(value.get("userProperties"))))
        elif event == "message":
            self.put(
                "message",
                Message(
                    value["topic"],
                    value["payload"],
                    value["qos"],
                    value.get("contentType"),
                    _pairs(value.get("userProperties")),
                    value.get("correlationData"),
                ),
            )
        elif event == "error":
            self.put("code", value)
        else:
            self.put("closed", value)

    def _call(self, command, **request):
        try:
            return self._driver.call(command, handle=self._handle, **request)
        except ThrownError as error:
            raise RefusedError(error.error.get("code")) from error

    def subscribe(self, topic, qos=0):
        ((granted),) = self._call("subscribe", topic=topic, options={"qos": qos})
        if granted["qos"] >= 0x80:
            raise RefusedError(granted["qos"])
        return granted["qos"]

    def publish(self, topic, payload, qos=0, content_type=None, correlation_data=None, *, user_properties=()):
        options = {"qos": qos}
        if self.version == 5:
            properties = {"contentType": content_type, "correlationData": correlation_data}
            properties["userProperties"] = dict(user_properties) or None
            options["properties"] = {name: value for name, value in properties.items() if value is not None}
        self._call("publish", topic=topic, payload=payload, options=options)

    def leave(self):
        self._call("end", force=False)


def _pairs(properties):
    return tuple((properties or {}).items())


def make_peer(kind, url, client_id, driver, **options):
    """Make a client of a kind; ``driver`` is a function that gives the Node process."""
    library, version = kind.split()
    if library == "MQTT.js":
        return JavaScriptPeer(int(version), url, client_id, driver(), **options)
    return (PahoPeer if library == "paho" else AiomqttPeer)(int(version), url, client_id, **options)
