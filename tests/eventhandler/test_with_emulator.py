"""The handler behind the emulator: the same events by every way there is, and what WebSocket clients see."""

import contextlib
import json
import queue
import socket

import pytest
from event_requests import KEY, OTHER_KEY, uvicorn_server, waitress_server

from azure.messaging.webpubsubservice.eventhandler import (
    ConnectResponse,
    EventErrorResponse,
    UserEventResponse,
    WebPubSubEventHandler,
)

pytest.importorskip("aiohttp", reason="the emulator's packages are not installed")
websockets = pytest.importorskip("websockets", reason="websockets is not installed")

from websockets.sync.client import connect  # noqa: E402 - after the check that it is there

from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator  # noqa: E402

JSON = "json.webpubsub.azure.v1"
SYSTEM_EVENTS = ["connect", "connected", "disconnected"]


@contextlib.contextmanager
def over_http(server, application):
    with server(application) as (host, port):
        yield {"url_template": f"http://{host}:{port}/eventhandler/{{hub}}/{{event}}"}


ROUTES = {
    "uvicorn": lambda handler: over_http(uvicorn_server, handler.asgi_app),
    "waitress": lambda handler: over_http(waitress_server, handler.wsgi_app),
    "ASGI in process": lambda handler: contextlib.nullcontext({"app": handler.asgi_app}),
    "handler in process": lambda handler: contextlib.nullcontext({"handler": handler}),
}


def make_handler(seen, **options):
    """A handler that does everything, and puts what it is told into a queue."""
    handler = WebPubSubEventHandler("chat", **{"access_key": KEY, "allowed_endpoints": "127.0.0.1", **options})

    @handler.on_connect
    def decide(request):
        wish = request.query.get("wish", [""])[0]
        if wish.isdecimal():
            return EventErrorResponse(int(wish), "no")
        if wish == "alter":
            roles = ["webpubsub.sendToGroup.room"]
            return ConnectResponse("changed", ["room"], roles, request.subprotocols[0], {"count": 10})
        return None

    @handler.on_connected
    async def connected(request):
        seen.put(("connected", request.user_id, dict(request.states)))

    @handler.on_disconnected
    def disconnected(request):
        seen.put(("disconnected", request.user_id, dict(request.states)))

    @handler.on_event
    async def echo(request):
        return UserEventResponse(request.data, metadata=request.context.metadata)

    @handler.on_event("count")
    def count(request):
        number = request.states.get("count", 0) + 1
        return UserEventResponse({"count": number}, states={"count": number, "last": request.data})

    @handler.on_event("refuse")
    def refuse(request):
        return EventErrorResponse(400, "no")

    @handler.on_event("nothing")
    async def nothing(request):
        return None

    return handler


@contextlib.contextmanager
def running(route, handler):
    with ROUTES[route](handler) as target:
        settings = {**target, "system_events": SYSTEM_EVENTS, "user_event_pattern": "*"}
        with WebPubSubEmulator(port=0, access_key=KEY, event_handlers={"chat": [settings]}) as emulator:
            yield emulator


@pytest.fixture(scope="module", params=ROUTES)
def service(request):
    """An emulator whose hub sends its events to a handler, and the queue of what the handler was told."""
    seen = queue.Queue()
    with running(request.param, make_handler(seen)) as emulator:
        yield emulator, seen


@contextlib.contextmanager
def client(service, wish="", user="ann", protocol=JSON):
    """A connected client; the handler knows of it, and at the end of its going."""
    emulator, seen = service
    url = f"{emulator.client_url('chat', user_id=user)}&wish={wish}"
    with connect(url, subprotocols=[protocol] if protocol else None, open_timeout=10) as connection:
        connected = seen.get(timeout=10)
        yield connection, connected
    assert seen.get(timeout=10)[0] == "disconnected"
    assert seen.empty()


def receive(connection):
    return json.loads(connection.recv(timeout=10))


def send_event(connection, name, data_type, data, **more):
    frame = {"type": "event", "event": name, "dataType": data_type, "data": data, "ackId": 1, **more}
    connection.send(json.dumps(frame))


def test_connect_without_a_word_keeps_what_the_token_says(service):
    with client(service) as (connection, connected):
        assert receive(connection)["userId"] == "ann"
        assert connected == ("connected", "ann", {})


def test_connect_changes_user_groups_roles_subprotocol_and_state(service):
    with client(service, "alter") as (connection, connected):
        assert connection.subprotocol == JSON
        assert receive(connection)["userId"] == "changed"
        assert connected == ("connected", "changed", {"count": 10})
        connection.send(
            json.dumps({"type": "sendToGroup", "group": "room", "dataType": "text", "data": "hi", "ackId": 1})
        )
        frames = sorted((receive(connection) for _ in range(2)), key=lambda frame: frame["type"])
        assert frames[0] == {"type": "ack", "ackId": 1, "success": True}
        assert (frames[1]["from"], frames[1]["group"], frames[1]["data"]) == ("group", "room", "hi")


def test_connect_may_choose_a_subprotocol_the_service_does_not_know(service):
    with client(service, "alter", protocol="custom") as (connection, _):
        assert connection.subprotocol == "custom"
        connection.send("hi")
        assert connection.recv(timeout=10) == "hi"


@pytest.mark.parametrize("status", [400, 401, 403])
def test_connect_that_is_rejected_is_the_status_of_the_handshake(service, status):
    emulator, seen = service
    with pytest.raises(websockets.exceptions.InvalidStatus) as caught:
        connect(f"{emulator.client_url('chat')}&wish={status}", subprotocols=[JSON], open_timeout=10)
    assert caught.value.response.status_code == status
    assert seen.empty()


@pytest.mark.parametrize("message", ["text é", b"\x00\xff"])
def test_user_event_of_a_simple_client_is_answered(service, message):
    with client(service, protocol=None) as (connection, _):
        connection.send(message)
        assert connection.recv(timeout=10) == message


@pytest.mark.parametrize(("data_type", "data"), [("text", "é"), ("json", {"a": [1, None, "é"]}), ("binary", "AP8=")])
def test_user_event_of_each_type_is_answered(service, data_type, data):
    with client(service) as (connection, _):
        receive(connection)
        send_event(connection, "any", data_type, data)
        assert receive(connection) == {"type": "message", "from": "server", "dataType": data_type, "data": data}
        assert receive(connection) == {"type": "ack", "ackId": 1, "success": True}


def test_user_event_may_be_answered_with_nothing(service):
    with client(service) as (connection, _):
        receive(connection)
        send_event(connection, "nothing", "text", "x")
        assert receive(connection) == {"type": "ack", "ackId": 1, "success": True}


def test_user_event_that_is_refused_is_a_failed_ack(service):
    with client(service) as (connection, _):
        receive(connection)
        send_event(connection, "refuse", "text", "x")
        ack = receive(connection)
        assert (ack["type"], ack["success"], ack["error"]["name"]) == ("ack", False, "InternalServerError")


def test_metadata_goes_there_and_back(service):
    with client(service) as (connection, _):
        receive(connection)
        send_event(connection, "any", "text", "x", metadata={"key": "a value"})
        assert receive(connection)["metadata"] == {"key": "a value"}


def test_state_lives_as_long_as_its_connection(service):
    emulator, seen = service
    url = emulator.client_url("chat", user_id="ann")
    with connect(url, subprotocols=[JSON], open_timeout=10) as connection:
        assert seen.get(timeout=10) == ("connected", "ann", {})
        receive(connection)
        for number in (1, 2, 3):
            send_event(connection, "count", "text", f"é{number}", ackId=number)
            assert receive(connection)["data"] == {"count": number}
            assert receive(connection)["success"]
    assert seen.get(timeout=10) == ("disconnected", "ann", {"count": 3, "last": "é3"})


def test_state_set_at_connect_is_where_the_count_begins(service):
    with client(service, "alter") as (connection, _):
        receive(connection)
        send_event(connection, "count", "text", "x")
        assert receive(connection)["data"] == {"count": 11}


def test_user_id_that_is_not_ascii_reaches_the_handler(service):
    with client(service, user="Zoë 李") as (_, connected):
        assert connected == ("connected", "Zoë 李", {})


def test_disconnected_is_seen_when_the_transport_breaks(service):
    emulator, seen = service
    with connect(emulator.client_url("chat", user_id="ann"), subprotocols=[JSON], open_timeout=10) as connection:
        assert seen.get(timeout=10)[0] == "connected"
        # Not close(): that would wait for the thread that is reading.
        connection.socket.shutdown(socket.SHUT_RDWR)
        assert seen.get(timeout=10) == ("disconnected", "ann", {})


@pytest.mark.parametrize("route", ROUTES)
def test_handler_is_told_of_groups_that_are_joined_and_left(route):
    seen = queue.Queue()
    handler = make_handler(queue.Queue())
    handler.on_group_joined(lambda event: seen.put(("joined", event.user_id, event.group)))

    @handler.on_group_left
    async def left(event):
        seen.put(("left", event.user_id, event.group))

    with ROUTES[route](handler) as target:
        settings = {**target, "group_presence_events": ["joined", "left"]}
        with WebPubSubEmulator(port=0, access_key=KEY, event_handlers={"chat": [settings]}) as emulator:
            with connect(emulator.client_url("chat", user_id="ann", groups=["Zoë 李"]), open_timeout=10):
                assert seen.get(timeout=10) == ("joined", "ann", "Zoë 李")
            assert seen.get(timeout=10) == ("left", "ann", "Zoë 李")


def handshake_status(route, **options):
    with running(route, make_handler(queue.Queue(), **options)) as emulator:
        with pytest.raises(websockets.exceptions.InvalidStatus) as caught:
            connect(emulator.client_url("chat"), subprotocols=[JSON], open_timeout=10)
        return caught.value.response.status_code


@pytest.mark.parametrize("route", ROUTES)
def test_handler_with_another_key_refuses_the_emulators_events(route):
    assert handshake_status(route, access_key=OTHER_KEY) == 401


@pytest.mark.parametrize("route", ["uvicorn", "waitress"])
def test_handler_that_allows_another_service_gets_no_events_of_the_emulator(route):
    assert handshake_status(route, allowed_endpoints="other.webpubsub.azure.com") == 500


def test_handler_takes_the_events_of_its_connection_string():
    seen = queue.Queue()
    with WebPubSubEmulator(port=0, access_key=OTHER_KEY) as probe:
        text = probe.connection_string
    handler = make_handler(seen, access_key=None, allowed_endpoints=None, connection_string=text)
    with over_http(uvicorn_server, handler.asgi_app) as target:
        settings = {**target, "system_events": SYSTEM_EVENTS}
        with WebPubSubEmulator(port=0, access_key=OTHER_KEY, event_handlers={"chat": [settings]}) as emulator:
            with connect(emulator.client_url("chat", user_id="ann"), subprotocols=[JSON], open_timeout=10):
                assert seen.get(timeout=10) == ("connected", "ann", {})
            assert seen.get(timeout=10) == ("disconnected", "ann", {})
