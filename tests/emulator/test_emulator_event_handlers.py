"""Event handlers wired to real connections. The facts: service facts, Event handlers."""

import asyncio
import json
import threading

import pytest
from emulator_peers import WAIT, Caller, frame, tell
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from azure.messaging.webpubsubservice.emulator import EventHandler, WebPubSubEmulator

SYSTEM = ["connect", "connected", "disconnected"]
JSON = "json.webpubsub.azure.v1"


class Reply:
    def __init__(self, status=204, body=b"", **headers):
        self.status, self.body, self.headers = (
            status,
            body,
            {key.replace("_", "-"): value for key, value in headers.items()},
        )


class Backend:
    """An event handler that answers as it is told to and keeps what it heard."""

    def __init__(self, **answers):
        self.answers = answers
        self.heard = []

    def __call__(self, method, headers, body):
        name = headers["ce-eventName"]
        self.heard.append((name, dict(headers), body))
        answer = self.answers.get(name, Reply())
        return answer(headers, body) if callable(answer) else answer

    def names(self):
        return [name for name, _, _ in self.heard]


@pytest.fixture
def serve():
    """Starts an emulator whose hub 'chat' has a handler with these answers."""
    running = []

    def make(**answers):
        backend = Backend(**answers)
        handler = EventHandler(handler=backend, system_events=SYSTEM)
        emulator = WebPubSubEmulator(event_handlers={"Chat": handler})
        emulator.start()
        running.append(emulator)
        return emulator, backend

    yield make
    for emulator in running:
        emulator.stop()


def client(emulator, protocol=JSON, **claims):
    return connect(
        emulator.client_url("chat", **claims),
        subprotocols=[protocol] if protocol else None,
        proxy=None,
        close_timeout=1,
    )


def wait_for(emulator, event, count=1):
    emulator.record.wait_for(lambda record: sum(each.event == event for each in record.webhooks) >= count, WAIT)


def test_connect_decides_who_the_client_is(serve):
    answer = {"userId": "bob", "groups": ["g"], "roles": ["webpubsub.sendToGroup"]}
    emulator, backend = serve(connect=Reply(200, json.dumps(answer).encode(), ce_connectionState="s1"))
    with client(emulator, user_id="ann", groups=["t"], roles=["webpubsub.joinLeaveGroup"]) as one:
        assert frame(one)["userId"] == "bob"
        assert Caller(emulator)("HEAD", "/api/hubs/chat/groups/g").status == 200
        assert Caller(emulator)("HEAD", "/api/hubs/chat/groups/t").status == 404
        tell(one, type="joinGroup", group="x", ackId=1)
        assert frame(one)["error"]["name"] == "Forbidden"
        tell(one, type="event", event="e", data=1)
        wait_for(emulator, "e")
    wait_for(emulator, "disconnected")
    name, headers, body = backend.heard[0]
    asked = json.loads(body)
    assert (name, headers["ce-id"], headers["ce-userId"]) == ("connect", "0", "ann")
    assert (asked["claims"]["sub"], asked["subprotocols"]) == (["ann"], [JSON])
    assert "access_token" not in asked["query"]
    assert asked["headers"]["Host"] == [f"127.0.0.1:{emulator.port}"]
    _, headers, body = next(each for each in backend.heard if each[0] == "e")
    assert (headers["ce-userId"], headers["ce-connectionState"], headers["ce-subprotocol"]) == ("bob", "s1", JSON)
    assert body == b"1"
    assert backend.names()[-1] == "disconnected"


@pytest.mark.parametrize("status", [400, 401, 403])
def test_connect_that_is_refused_is_the_status_of_the_handshake(serve, status):
    emulator, backend = serve(connect=Reply(status, b"a secret"))
    with pytest.raises(InvalidStatus) as caught, client(emulator):
        pass
    assert (caught.value.response.status_code, caught.value.response.body) == (status, b"")
    assert backend.names() == ["connect"]


@pytest.mark.parametrize(("chosen", "echoed"), [("mine", "mine"), ("json.webpubsub.azure.v1", JSON), ("other", JSON)])
def test_connect_may_choose_among_the_offered_subprotocols(serve, chosen, echoed):
    emulator, _ = serve(connect=Reply(200, json.dumps({"subprotocol": chosen}).encode()))
    url = emulator.client_url("chat")
    with connect(url, subprotocols=["mine", JSON], proxy=None) as one:
        assert one.subprotocol == echoed
        Caller(emulator)("POST", "/api/hubs/chat/:send", b"x", "text/plain")
        assert one.recv(timeout=WAIT).startswith("x" if echoed == "mine" else '{"type":"system"')


def test_reply_of_the_handler_comes_before_the_ack(serve):
    emulator, _ = serve(echo=lambda headers, body: Reply(200, b"you said " + body, content_type="text/plain"))
    with client(emulator) as one:
        frame(one)
        tell(one, type="event", event="echo", dataType="text", data="hi", ackId=1)
        assert frame(one) == {"type": "message", "from": "server", "dataType": "text", "data": "you said hi"}
        assert frame(one) == {"type": "ack", "ackId": 1, "success": True}


def test_simple_client_talks_to_the_handler(serve):
    emulator, backend = serve(
        message=lambda headers, body: Reply(200, body[::-1], content_type=headers["Content-Type"])
    )
    with client(emulator, None) as one:
        one.send("abc")
        assert one.recv(timeout=WAIT) == "cba"
        one.send(b"\x00\x01")
        assert one.recv(timeout=WAIT) == b"\x01\x00"
    types = [headers["ce-type"] for name, headers, _ in backend.heard if name == "message"]
    assert types == ["azure.webpubsub.user.message"] * 2


def test_handler_that_fails_closes_simple_clients_only(serve):
    emulator, _ = serve(message=Reply(400), e=Reply(400))
    with client(emulator, None) as simple, client(emulator) as wrapped:
        simple.send("x")
        with pytest.raises(ConnectionClosed):
            simple.recv(timeout=WAIT)
        assert (simple.close_code, simple.close_reason) == (1000, "")
        frame(wrapped)
        tell(wrapped, type="event", event="e", data=1, ackId=1)
        assert frame(wrapped)["error"] == {"name": "InternalServerError", "message": "Internal server error"}
        tell(wrapped, type="ping")
        assert frame(wrapped) == {"type": "pong"}


def test_events_of_a_connection_come_in_order_with_the_state_of_the_last_answer(serve):
    def count(headers, body):
        return Reply(204, ce_connectionState=str(int(headers.get("ce-connectionState", "0")) + 1))

    emulator, backend = serve(count=count)
    with client(emulator) as one:
        frame(one)
        for number in range(20):
            tell(one, type="event", event="count", data=number, ackId=number + 1)
        assert [frame(one)["ackId"] for _ in range(20)] == list(range(1, 21))
    wait_for(emulator, "disconnected")
    counted = [(headers.get("ce-connectionState"), body) for name, headers, body in backend.heard if name == "count"]
    assert counted == [(str(number) if number else None, b"%d" % number) for number in range(20)]
    assert dict(backend.heard[-1][1])["ce-connectionState"] == "20"


def test_disconnected_comes_once_with_the_reason_and_not_while_recovery_is_possible(serve):
    emulator, backend = serve()
    reliable = "json.reliable.webpubsub.azure.v1"
    with client(emulator, reliable) as one:
        connection_id = frame(one)["connectionId"]
        one.close(1011)
    wait_for(emulator, "connected")
    assert "disconnected" not in backend.names()
    emulator.clock.advance(31)
    wait_for(emulator, "disconnected")
    with client(emulator) as two:
        connection_id = frame(two)["connectionId"]
        Caller(emulator)("DELETE", f"/api/hubs/chat/connections/{connection_id}?reason=bye")
        wait_for(emulator, "disconnected", 2)
    assert backend.names().count("disconnected") == 2
    assert json.loads(backend.heard[-1][2]) == {"reason": "bye"}


def test_slow_handler_holds_up_its_own_connection_only(serve):
    release = threading.Event()
    emulator, _ = serve(slow=lambda headers, body: release.wait(WAIT) and Reply())
    with client(emulator) as one, client(emulator) as two:
        frame(one), frame(two)
        tell(one, type="event", event="slow", data=1, ackId=1)
        tell(one, type="ping")
        assert frame(one) == {"type": "pong"}
        tell(two, type="event", event="quick", data=1, ackId=1)
        assert frame(two)["success"] is True
        release.set()
        assert frame(one)["ackId"] == 1


def test_asgi_application_is_a_handler_without_a_socket():
    async def app(scope, receive, send):
        message = await receive()
        headers = [(b"webhook-allowed-origin", b"*"), (b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": scope["path"].encode() + message["body"]})

    handler = EventHandler("/events/{hub}/{event}", app=app)
    with WebPubSubEmulator(event_handlers={"_default": handler}) as emulator, client(emulator, None) as one:
        one.send("!")
        assert one.recv(timeout=WAIT) == "/events/chat/message!"


def test_handler_at_a_url_is_asked_over_http():
    from aiohttp import web

    heard = []

    async def events(request):
        heard.append((request.method, request.path, request.headers.get("ce-eventName"), await request.read()))
        text = "pong" if request.headers.get("ce-eventName") == "message" else None
        return web.Response(text=text, headers={"WebHook-Allowed-Origin": "*"})

    async def scenario():
        server = web.Server(events)
        listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/hooks/{{event}}"
        async with WebPubSubEmulator(event_handlers={"chat": url}) as emulator:

            def talk():
                with client(emulator, None) as one:
                    one.send("ping")
                    return one.recv(timeout=WAIT)

            assert await asyncio.to_thread(talk) == "pong"
            await emulator.record.wait_for_async(lambda record: len(record.webhooks) >= 4)
        listener.close()
        await server.shutdown(1)

    asyncio.run(scenario())
    assert heard[0][:2] == ("OPTIONS", "/hooks/validate")
    assert ("POST", "/hooks/message", "message", b"ping") in heard
    assert next(each[2] for each in heard if each[0] == "POST") == "connect"
