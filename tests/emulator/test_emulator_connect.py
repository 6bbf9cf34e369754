"""The WebSocket client for tests: ``emulator.connect``, the same bodies with ``with`` and with ``async with``."""

import asyncio
import contextlib
import json
import logging
from urllib.parse import urlsplit

import jwt
import pytest

from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.emulator import (
    AsyncWebSocketClient,
    ClientClosedError,
    ClientRefusedError,
    EventHandler,
    SocketFault,
    WebPubSubEmulator,
    WebSocketClient,
)

JSON = "json.webpubsub.azure.v1"
SOON = 0.05


class Awaitable:
    """A client of ``with`` that bodies written for ``async with`` can await."""

    def __init__(self, client):
        self.client = client

    def __repr__(self):
        return repr(self.client)

    def __getattr__(self, name):
        value = getattr(self.client, name)
        if not callable(value):
            return value

        async def call(*args):
            return value(*args)

        return call


@contextlib.asynccontextmanager
async def with_sync(emulator, *args, **kwargs):
    with emulator.connect(*args, **kwargs) as client:
        assert type(client) is WebSocketClient
        yield Awaitable(client)


@contextlib.asynccontextmanager
async def with_async(emulator, *args, **kwargs):
    async with emulator.connect(*args, **kwargs) as client:
        assert type(client) is AsyncWebSocketClient
        yield client


@pytest.fixture(params=["with", "async with"])
def each(request):
    """Runs a body with a running emulator, and what opens a client; the async one runs in the emulator's own loop."""

    def run(body, **settings):
        async def in_the_loop():
            async with WebPubSubEmulator(**settings) as emulator:
                await body(emulator, lambda *args, **kwargs: with_async(emulator, *args, **kwargs))

        if request.param == "async with":
            asyncio.run(in_the_loop())
        else:
            with WebPubSubEmulator(**settings) as emulator:
                asyncio.run(body(emulator, lambda *args, **kwargs: with_sync(emulator, *args, **kwargs)))

    return run


async def send(emulator, *args, hub="chat", **kwargs):
    """Send to all, from outside of the emulator's loop."""
    with WebPubSubServiceClient.from_connection_string(emulator.connection_string, hub=hub) as service:
        await asyncio.to_thread(service.send_to_all, *args, **kwargs)


async def echo(_method, _headers, body):
    """An event handler that says what it is told."""
    return Reply(body, {"Content-Type": _headers["Content-Type"]})


class Reply:
    def __init__(self, body=b"", headers=(), status=200):
        self.body, self.headers, self.status = body, headers, status


def test_simple_client_receives_bare_data(each):
    async def body(emulator, connect):
        async with connect("chat", "ada") as ada:
            await send(emulator, {"n": 1})
            assert await ada.receive_json() == {"n": 1}
            await send(emulator, "text", content_type="text/plain")
            assert await ada.receive_text() == "text"
            await send(emulator, b"\x00\x01")
            assert await ada.receive_bytes() == b"\x00\x01"
            for data, received in ((b"\x02", b"\x02"), ([3], "[3]")):
                await send(emulator, data)
                assert await ada.receive() == received

    each(body)


def test_subprotocol_client_receives_whole_frames_but_for_the_first(each):
    async def body(emulator, connect):
        async with connect("chat", "ada", subprotocol=JSON, roles=["webpubsub.joinLeaveGroup"]) as ada:
            assert ada.subprotocol == JSON
            await ada.send_json({"type": "joinGroup", "group": "é", "ackId": 1})
            assert await ada.receive_json() == {"type": "ack", "ackId": 1, "success": True}
            await send(emulator, {"n": 1})
            assert await ada.receive_json() == {
                "type": "message",
                "from": "server",
                "dataType": "json",
                "data": {"n": 1},
            }
        async with connect("chat", subprotocol="protobuf.webpubsub.azure.v1") as bob:
            await send(emulator, b"for bob")
            assert b"for bob" in await bob.receive_bytes()

    each(body)


@pytest.mark.parametrize(
    "subprotocol", [None, JSON, "json.reliable.webpubsub.azure.v1", "protobuf.reliable.webpubsub.azure.v1", "unknown"]
)
def test_client_knows_who_it_is(each, subprotocol):
    async def connect_handler(_method, headers, _body):
        return Reply(b'{"userId": "from the handler"}') if headers["ce-eventName"] == "connect" else Reply()

    handler = EventHandler(handler=connect_handler, system_events=["connect"])

    async def body(emulator, connect):
        async with connect("Chat", "ada", groups=["cats"], subprotocol=subprotocol) as ada, connect("other") as nobody:
            assert (ada.user_id, nobody.user_id, nobody.subprotocol) == ("from the handler", None, None)
            assert ada.subprotocol == (None if subprotocol == "unknown" else subprotocol)
            with WebPubSubServiceClient.from_connection_string(emulator.connection_string, hub="chat") as service:
                members = await asyncio.to_thread(lambda: list(service.list_connections("cats")))
            assert [(each.connection_id, each.user_id) for each in members] == [(ada.connection_id, ada.user_id)]
            assert f"user_id:'from the handler' connection_id:{ada.connection_id!r}>" in repr(ada)

    each(body, event_handlers={"chat": handler})


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_client_finds_the_emulator_at_any_address(host):
    try:
        emulator = WebPubSubEmulator(host=host)
        emulator.start()
    except OSError:
        pytest.skip("there is no IPv6 here")
    try:
        with emulator.connect("chat", "ada") as ada:
            assert ada.connection_id
    finally:
        emulator.stop()


@pytest.mark.parametrize(
    "options",
    [
        {"endpoint": "https://name.example:443"},
        {"endpoint": "http://localhost:9999"},
        {"host": "0.0.0.0", "allow_remote": True},
        {"host": "::", "allow_remote": True},
    ],
)
def test_client_comes_by_the_name_of_the_emulator(each, options):
    async def body(emulator, connect):
        async with connect("chat", "ada") as ada:
            await ada.send_text("hi")
            assert await ada.receive_text() == "hi"
        (call,) = emulator.record.webhooks
        assert call.headers["WebHook-Request-Origin"] == urlsplit(emulator.endpoint).hostname

    each(body, event_handlers={"chat": echo}, **options)


def test_connector_is_for_one_client(each):
    async def body(emulator, connect):
        connector = emulator.connect("chat")
        async with connector:
            with pytest.raises(RuntimeError, match="has been connected before"):
                await connector.__aenter__()
        with pytest.raises(RuntimeError, match="has been connected before"):
            connector.__enter__()

    each(body)


def test_proxy_of_the_environment_is_not_asked(monkeypatch, each):
    for name in ("http_proxy", "ws_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    async def body(emulator, connect):
        async with connect("chat", "ada") as ada:
            assert ada.user_id == "ada"

    each(body)


def test_what_is_sent_raises_events(each):
    async def body(emulator, connect):
        async with connect("chat", "ada") as ada:
            await ada.send_text("text")
            assert await ada.receive_text() == "text"
            await ada.send_bytes(b"\x00")
            assert await ada.receive_bytes() == b"\x00"
            await ada.send_json({"ä": 1})
            assert await ada.receive_text() == '{"ä": 1}'
            with pytest.raises(TypeError, match="must be str, not bytes"):
                await ada.send_text(b"bytes")
            with pytest.raises(TypeError, match="must be bytes, not str"):
                await ada.send_bytes("text")

    each(body, event_handlers={"chat": echo})


# What is told when something else arrives, or nothing


def test_timeout_says_what_has_arrived_and_what_was_sent(each):
    async def body(emulator, connect):
        async with connect("chat", "ada", groups=["cats"], timeout=SOON) as ada:
            with pytest.raises(TimeoutError) as nothing:
                await ada.receive()
            await send(emulator, {"n": 1})
            await ada.receive()
            with WebPubSubServiceClient.from_connection_string(emulator.connection_string, hub="chat") as service:
                await asyncio.to_thread(service.send_to_group, "dogs", {"n": 2})
                await asyncio.to_thread(service.send_to_user, "bob", b"\x00")
            await send(emulator, "in another hub", hub="other")
            with pytest.raises(TimeoutError) as other:
                await ada.receive_json()
        assert str(nothing.value) == (
            f"nothing arrived at {ada!r} within 0.05 s. Arrived before: nothing. Sent in its hub: nothing."
        )
        assert str(other.value) == (
            f"nothing arrived at {ada!r} within 0.05 s. Arrived before: '{{\"n\": 1}}'. "
            "Sent in its hub: to all '{\"n\": 1}', to group 'dogs' '{\"n\": 2}', to user 'bob' b'\\x00'."
        )

    each(body)


def test_story_is_short_also_when_much_has_arrived(each):
    async def body(emulator, connect):
        async with connect("chat", "ada", timeout=10) as ada:
            for number in range(7):
                await send(emulator, "x" * 5000 + str(number))
                await ada.receive()
            emulator.reset()
            with pytest.raises(ClientClosedError, match="Arrived before: 7 messages, the last: ") as lost:
                await ada.receive()
            assert len(str(lost.value)) < 2500

    each(body)


@pytest.mark.parametrize(
    ("data", "method", "message"),
    [
        (b"\x00", "receive_json", r"expected text, but binary arrived: b'\\x00'"),
        (b"\x00", "receive_text", r"expected text, but binary arrived: b'\\x00'"),
        ({"n": 1}, "receive_bytes", "expected binary, but text arrived: '{\"n\": 1}'"),
        ("no JSON", "receive_json", "expected JSON, but this arrived: 'no JSON'"),
    ],
)
def test_message_of_another_kind_is_shown(each, data, method, message):
    async def body(emulator, connect):
        async with connect("chat", "ada") as ada:
            await send(emulator, data, content_type="text/plain" if isinstance(data, str) else None)
            with pytest.raises(ValueError, match=message):
                await getattr(ada, method)()

    each(body)


def test_client_learns_how_its_connection_ended(each):
    async def body(emulator, connect):
        async with connect("chat", "ada", subprotocol=JSON) as ada, connect("chat", "bob") as bob:
            with WebPubSubServiceClient.from_connection_string(emulator.connection_string, hub="chat") as service:
                await asyncio.to_thread(service.close_connection, ada.connection_id, reason="good night")
            frame = await ada.receive_json()
            assert (frame["event"], frame["message"]) == ("disconnected", "good night")
            with pytest.raises(ClientClosedError, match='was closed: 1000 ""') as closed:
                await ada.receive()
            assert (closed.value.code, closed.value.reason) == (1000, "")
            with pytest.raises(ClientClosedError):
                await ada.send_text("too late")
            emulator.inject(SocketFault(user_id="bob", drop=True))
            with pytest.raises(ClientClosedError, match="was lost") as lost:
                await bob.receive()
            assert lost.value.code == 1006

    each(body)


def test_client_closes_with_code_and_reason(each):
    async def body(emulator, connect):
        async with connect("chat", "ada") as ada:
            await ada.close(4001, "leaving")
            with pytest.raises(ClientClosedError) as closed:
                await ada.receive()
            assert (closed.value.code, closed.value.reason) == (4001, "leaving")
            await ada.close()

    each(body)


def test_client_that_is_not_let_in_has_the_status(each):
    async def body(emulator, connect):
        with pytest.raises(ClientRefusedError, match="refused the client with 403") as refused:
            async with connect("chat", "ada"):
                raise AssertionError("not reached")
        assert refused.value.status == 403

    async def no(_method, headers, _body):
        return Reply(status=403)

    each(body, event_handlers={"chat": EventHandler(handler=no, system_events=["connect"])})


def test_client_that_is_cut_off_at_once_is_closed(each):
    async def body(emulator, connect):
        emulator.inject(SocketFault(drop=True))
        with pytest.raises(ClientClosedError, match="open for a moment only"):
            async with connect("chat", "ada"):
                raise AssertionError("not reached")

    each(body)


def test_client_is_closed_when_the_block_ends_also_by_an_error(each):
    async def body(emulator, connect):
        async def count():
            def connections():
                return sum(len(hub.connections) for hub in emulator._switchboard._hubs.values())

            return await asyncio.to_thread(emulator._call, connections)

        async with connect("chat"):
            assert await count() == 1
        assert await count() == 0
        with pytest.raises(KeyError):
            async with connect("chat"):
                raise KeyError
        assert await count() == 0

    each(body)


def test_with_in_the_emulators_own_loop_is_an_error():
    async def main():
        async with WebPubSubEmulator() as emulator:
            with pytest.raises(RuntimeError, match="write 'async with"), emulator.connect("chat"):
                pass

    asyncio.run(main())


def test_emulator_that_is_not_running_is_named():
    with pytest.raises(RuntimeError, match="the emulator is not running: start it"):
        WebPubSubEmulator().connect("chat")


def test_no_token_is_in_a_log_or_a_repr(caplog, emulator):
    caplog.set_level(logging.DEBUG)
    connector = emulator.connect("chat", "ada")
    with connector as ada:
        ada.send_text("x")
        with pytest.raises(ClientClosedError):
            ada.receive()
    shown = caplog.text + repr(connector) + repr(connector._place) + repr(ada)
    assert "access_token" not in shown
    assert "eyJ" not in shown


def test_token_of_a_client_says_what_was_asked_for(emulator):
    url = emulator.connect("chat", "ada", groups=["g"], roles=["webpubsub.sendToGroup"])._place.url
    claims = jwt.decode(url.partition("=")[2], options={"verify_signature": False})
    assert (claims["sub"], claims["webpubsub.group"], claims["role"]) == ("ada", ["g"], ["webpubsub.sendToGroup"])


def test_client_comes_with_the_url_of_a_backend(each):
    async def body(emulator, connect):
        with WebPubSubServiceClient.from_connection_string(emulator.connection_string, hub="Chat") as backend:
            url = backend.get_client_access_token(user_id="ada", groups=["cats"])["url"]
            async with connect(url, timeout=SOON) as ada:
                assert ada.user_id == "ada"
                await asyncio.to_thread(backend.send_to_group, "cats", {"text": "a purr"})
                assert await ada.receive_json() == {"text": "a purr"}
                with pytest.raises(TimeoutError, match="Sent in its hub: to group 'cats'"):
                    await ada.receive()
            with pytest.raises(ClientRefusedError) as refused:
                async with connect(url.replace("/chat", "/other").replace("/Chat", "/other")):
                    raise AssertionError("not reached")
            assert refused.value.status == 401
            with pytest.raises(ValueError, match="the token in the URL says who the client is"):
                emulator.connect(url, "ada")

    each(body)


# Event handlers that are added later


@pytest.mark.parametrize(
    "handler",
    [
        echo,
        [echo],
        {"handler": echo},
        EventHandler(handler=echo),
    ],
    ids=["function", "list", "mapping", "EventHandler"],
)
def test_handler_that_is_added_takes_events_until_reset(each, handler):
    async def body(emulator, connect):
        async with connect("chat", "ada") as ada:  # it was there before the handler
            emulator.add_event_handler("Chat", handler)
            await ada.send_text("hi")
            assert await ada.receive_text() == "hi"
            (call,) = [each for each in emulator.record.webhooks if each.event == "message"]
            assert (call.headers["ce-userId"], call.headers["ce-connectionId"]) == ("ada", ada.connection_id)
        emulator.reset()
        async with connect("chat", "ada") as ada:
            await ada.send_text("hi")
            with pytest.raises(ClientClosedError):  # nobody handles the event
                await ada.receive()
        assert emulator.record.webhooks == ()

    each(body)


def test_handler_that_is_added_goes_first_and_those_of_the_constructor_come_back(each):
    async def added(_method, _headers, _body):
        return Reply(b"added", {"Content-Type": "text/plain"})

    async def body(emulator, connect):
        async def ask(text):
            async with connect("chat", subprotocol=JSON) as ada:
                await ada.send_json({"type": "event", "event": text, "dataType": "text", "data": "old"})
                return (await ada.receive_json())["data"]

        assert await ask("one") == "old"
        emulator.add_event_handler("chat", EventHandler(handler=added, user_event_pattern="one"))
        assert [await ask("one"), await ask("two")] == ["added", "old"]
        emulator.reset()
        assert await ask("one") == "old"

    each(body, event_handlers={"chat": echo})


def test_handler_can_be_added_before_the_start():
    emulator = WebPubSubEmulator()
    emulator.add_event_handler("_default", echo)
    with emulator, emulator.connect("any") as ada:
        ada.send_text("hi")
        assert ada.receive_text() == "hi"


def test_handler_that_is_added_is_told_of_the_end_of_those_who_were_there(emulator):
    told = []

    async def handler(_method, headers, body):
        told.append((headers["ce-eventName"], headers["ce-userId"]))
        return Reply()

    with emulator.connect("chat", "ada"):
        emulator.add_event_handler("chat", EventHandler(handler=handler, system_events=["disconnected"]))
    emulator.record.wait_for(lambda record: record.webhooks)
    assert told == [("disconnected", "ada")]


@pytest.mark.parametrize(("hub", "handler"), [("1", echo), ("chat", 3), ("chat", {"url": "http://h/"})])
def test_handler_of_another_form_is_refused(emulator, hub, handler):
    with pytest.raises(ValueError, match="event_handlers"):
        emulator.add_event_handler(hub, handler)


@pytest.mark.parametrize("name", ["event_handlers", "acces_key", "access_key", "port", "endpoint", "record", "clock"])
def test_what_is_no_setting_cannot_be_set(emulator, name):
    with pytest.raises(AttributeError):
        setattr(emulator, name, "x")
    for part in (emulator.clock, emulator.record):
        with pytest.raises(AttributeError):
            setattr(part, "sends" if part is emulator.record else "offset", 1)


def test_json_is_sent_as_text(emulator):
    emulator.add_event_handler("chat", echo)
    with emulator.connect("chat") as ada:
        ada.send_json({"a": [1, None]})
        assert json.loads(ada.receive_text()) == {"a": [1, None]}
