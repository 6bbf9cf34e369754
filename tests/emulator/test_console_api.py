"""The console's JSON API and its guard."""

import contextlib
import http.client
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.emulator import ClientClosedError, EventHandler, WebPubSubEmulator
from azure.messaging.webpubsubservice.emulator.console import _timeline
from azure.messaging.webpubsubservice.emulator.console._timeline import Filter, Timeline

CSP = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-ancestors 'none'"
ROLE = "webpubsub.joinLeaveGroup"
RELIABLE = "json.reliable.webpubsub.azure.v1"
JSON = "json.webpubsub.azure.v1"


class Desk:
    """Somebody who uses the API."""

    def __init__(self, emulator):
        self.emulator = emulator
        self.page, _, self.token = emulator.console_url.partition("#")

    def send(self, method, path, body=None, **headers):
        """Return status, headers and body of an answer; ``X_Y`` is the header X-Y."""
        connection = http.client.HTTPConnection("127.0.0.1", self.emulator.port, timeout=10)
        with contextlib.closing(connection):
            named = {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
            connection.request(method, path, body, {"Content-Length": str(len(body or b"")), **named})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def ask(self, method, path, value=None, **headers):
        body = None if value is None else json.dumps(value).encode()
        headers = {"X_Console_Token": self.token, **headers}
        status, _, content = self.send(method, f"/console/api/{path}", body, **headers)
        return status, content.decode()

    def get(self, path):
        status, text = self.ask("GET", path)
        assert status == 200, text
        return json.loads(text)

    def post(self, path, **values):
        status, text = self.ask("POST", path, values)
        assert status == 200, text
        return json.loads(text)

    def rows(self, **chosen):
        return self.get(f"timeline?{urllib.parse.urlencode(chosen)}")["rows"]

    def titles(self, **chosen):
        return [row["title"] for row in self.rows(**chosen)]


@pytest.fixture
def emulator():
    with WebPubSubEmulator(console=True) as running:
        yield running


@pytest.fixture
def desk(emulator):
    return Desk(emulator)


@pytest.fixture
def service(emulator):
    with WebPubSubServiceClient.from_connection_string(emulator.connection_string, hub="chat") as client:
        yield client


# The guard


def test_api_takes_the_token_and_nothing_else(desk):
    assert desk.ask("GET", "state")[0] == 200
    for token in (None, "", "wrong", desk.token[:-1], desk.token + "x", "é"):
        status, text = desk.ask("GET", "state", X_Console_Token=token and token.encode("latin-1").decode("latin-1"))
        assert status == 401
        assert desk.token not in text
    status, _, _ = desk.send("GET", f"/console/api/state?token={desk.token}", Cookie=f"token={desk.token}")
    assert status == 401


def test_token_is_another_in_each_run():
    emulator = WebPubSubEmulator(console=True)
    tokens = set()
    for _ in range(2):
        with emulator:
            tokens.add(emulator.console_url.partition("#")[2])
        with pytest.raises(RuntimeError, match="is not running"):
            emulator.console_url  # noqa: B018
    assert len(tokens) == 2
    assert not any(token in repr(emulator) for token in tokens)


def test_without_it_there_is_nothing():
    with WebPubSubEmulator() as emulator:
        with pytest.raises(RuntimeError, match="console=True"):
            emulator.console_url  # noqa: B018
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{emulator.endpoint}/console/", timeout=10)


@pytest.mark.parametrize("options", [{}, {"access_key": "a key of my own"}], ids=["public key", "own key"])
def test_strangers_are_kept_out_whatever_the_key_is(options):
    with WebPubSubEmulator(console=True, allowed_origins=["https://app.example.com"], **options) as emulator:
        desk = Desk(emulator)
        own = f"127.0.0.1:{emulator.port}"
        good = [
            {},
            {"Origin": f"http://{own}"},
            {"Host": f"localhost:{emulator.port}", "Origin": f"http://localhost:{emulator.port}"},
            {"Sec_Fetch_Site": "same-origin"},
        ]
        bad = [
            {"Host": "evil.example.com"},
            {"Host": f"evil.example.com:{emulator.port}", "Origin": f"http://evil.example.com:{emulator.port}"},
            {"Origin": "https://evil.example.com"},
            # Another page of this machine is a stranger, too, and so is one that may use the service.
            {"Origin": "http://localhost:3000"},
            {"Origin": "https://app.example.com"},
            {"Origin": "null"},
            {"Sec_Fetch_Site": "same-site"},
            {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "cors"},
        ]
        for path in ("/console/api/state", "/console/", "/console/main.js"):
            for headers in good:
                assert desk.send("GET", path, X_Console_Token=desk.token, **headers)[0] == 200, (path, headers)
            for headers in bad:
                assert desk.send("GET", path, X_Console_Token=desk.token, **headers)[0] == 403, (path, headers)


def test_every_answer_says_what_a_browser_may_do_with_it(desk):
    paths = {
        "/console/": (200, "text/html; charset=utf-8"),
        "/console/main.js": (200, "text/javascript; charset=utf-8"),
        "/console/console.css": (200, "text/css; charset=utf-8"),
        "/console/api/state": (401, "text/plain; charset=utf-8"),
        "/console/../_api.py": (404, None),
        "/console/nothing": (404, None),
        "/console": (308, None),
    }
    for path, (status, kind) in paths.items():
        got, headers, _ = desk.send("GET", path)
        assert got == status, path
        if kind:
            assert headers["Content-Type"] == kind
        assert headers["Content-Security-Policy"] == CSP
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert not [name for name in headers if name.lower().startswith("access-control-")]
        assert "Set-Cookie" not in headers


def test_no_other_page_is_let_ask(desk):
    status, headers, _ = desk.send(
        "OPTIONS",
        "/console/api/reset",
        Origin="https://evil.example.com",
        Access_Control_Request_Method="POST",
        Access_Control_Request_Headers="x-console-token",
    )
    assert status == 403
    assert "Access-Control-Allow-Origin" not in headers


def live(desk, **options):
    return connect(f"ws://127.0.0.1:{desk.emulator.port}/console/api/live", proxy=None, close_timeout=2, **options)


def test_socket_takes_the_token_as_its_first_message(desk, service):
    for first in ("{}", json.dumps({"token": "wrong"}), json.dumps({"token": 1}), "[]", "x", b"x"):
        with live(desk) as socket:
            socket.send(first)
            with pytest.raises(ConnectionClosed) as closed:
                socket.recv(timeout=10)
            assert closed.value.rcvd.code == 1008
    with pytest.raises(InvalidStatus, match="403"), live(desk, origin="http://localhost:3000"):
        pass
    with live(desk, origin=f"http://127.0.0.1:{desk.emulator.port}") as socket:
        socket.send(json.dumps({"token": desk.token}))
        first = [json.loads(socket.recv(timeout=10)) for _ in range(2)]
        assert {each["type"] for each in first} == {"state", "rows"}
        service.send_to_all("hello", content_type="text/plain")
        assert json.loads(socket.recv(timeout=10))["rows"][-1]["title"] == "POST /api/hubs/chat/:send 202"
        socket.send(json.dumps({"filter": {"kinds": "refusal"}}))
        chosen = json.loads(socket.recv(timeout=10))
        assert (chosen["rows"], chosen["isNew"]) == ([], True)


def test_socket_ends_with_the_emulator(emulator, desk):
    with live(desk) as socket:
        socket.send(json.dumps({"token": desk.token}))
        assert socket.recv(timeout=10)
        emulator.stop()
        assert [json.loads(each)["type"] for each in socket] in (["rows"], [])
        assert socket.close_code == 1001


# To look at


def test_state_says_who_is_there(emulator, desk):
    emulator.add_event_handler("chat", EventHandler("http://127.0.0.1:9/{event}?code=secret"))
    with (
        emulator.connect(
            "chat", user_id="ada", groups=["cats"], roles=["webpubsub.sendToGroup"], subprotocol=JSON
        ) as ada,
        emulator.connect("news"),
    ):
        state = desk.get("state")
        assert state["connectionString"] == emulator.connection_string
        chat, news = state["hubs"]
        assert (chat["name"], chat["connectionCount"], chat["groupCount"], chat["userCount"]) == ("chat", 1, 1, 1)
        (connection,) = chat["connections"]
        assert connection.pop("since") == pytest.approx(emulator.clock.now(), abs=60)
        assert connection == {
            "connectionId": ada.connection_id,
            "userId": "ada",
            "protocol": JSON,
            "groups": ["cats"],
            "roles": ["webpubsub.sendToGroup"],
            "allowed": [],
            "denied": [],
            "isConnected": True,
            "unreadBytes": 0,
            "unconfirmed": 0,
        }
        assert chat["groups"] == [{"name": "cats", "connections": 1}]
        assert news["connections"][0]["protocol"] is None
        assert state["eventHandlers"][0]["place"] == "http://127.0.0.1:9/{event}"


def answer(method, headers, body):
    if headers["ce-eventName"] == "connect":
        return SimpleNamespace(status=204, headers={}, body=b"")
    return SimpleNamespace(status=200, headers={"Content-Type": "text/plain", "Set-Cookie": "s=1"}, body=b"pong")


def refused(url):
    with pytest.raises(InvalidStatus), connect(url, proxy=None):
        pass


def test_time_line_has_all_that_happens_with_the_reasons(emulator, desk, service):
    emulator.add_event_handler("chat", EventHandler(handler=answer, system_events=["connected"]))
    with emulator.connect("chat", user_id="ada", subprotocol=RELIABLE) as ada:
        emulator.record.wait_for(lambda record: record.webhooks)
        service.send_to_user("ada", {"n": 12345678901234567890})
        ada.receive()
        ada.send_json({"type": "joinGroup", "group": "secret", "ackId": 7})
        ada.receive()
        ada.send_json({"type": "event", "event": "ask", "dataType": "text", "data": "what?", "ackId": 8})
        assert (ada.receive_json()["data"], ada.receive_json()["success"]) == ("pong", True)
    refused(f"ws://127.0.0.1:{emulator.port}/client/nothing")
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{emulator.endpoint}/api/hubs/chat/groups/g/connections", timeout=10)
    emulator.record.wait_for(lambda record: record.connections[-1].event == "ended")
    rows = desk.rows()
    assert [(row["kind"], row["title"]) for row in rows if row["kind"] != "webhook"] == [
        ("connection", "opened"),
        ("out", "connected"),
        ("rest", "POST /api/hubs/chat/users/ada/:send 202"),
        ("out", 'message {"n": 12345678901234567890}'),
        ("in", "joinGroup secret #7"),
        (
            "refusal",
            f"join group 'secret': it needs the role {ROLE!r} or '{ROLE}.secret', or a grant",
        ),
        ("out", "ack #7 Forbidden The client does not have permission to join group 'secret'."),
        ("in", "event ask #8 what?"),
        ("out", "message pong"),
        ("out", "ack #8"),
        ("connection", "ended: closed by the client: 1000"),
        ("refusal", "404 no client connects to this path"),
        ("rest", "GET /api/hubs/chat/groups/g/connections 401: The Authorization header has no bearer token"),
    ]
    assert [row["title"] for row in rows if row["kind"] == "webhook"] == ["connected 200", "ask 200"]
    record = emulator.record
    assert [(each.hub, each.status) for each in record.calls] == [("chat", 202), ("chat", 401)]
    assert [(each.status, each.connection_id) for each in record.refusals] == [(None, ada.connection_id), (404, None)]
    assert [each.event for each in record.connections] == ["opened", "ended"]
    assert [each.answer for each in record.webhooks] == [b"pong", b"pong"]
    by_title = {row["title"]: row["number"] for row in rows}
    message = desk.get(f"timeline/{by_title['message pong']}")
    assert (message["sequenceIds"], message["data"]["text"], message["users"]) == ([2], "pong", ["ada"])
    assert desk.get(f"timeline/{by_title['ack #8']}")["fields"] == {"ackId": 8}
    ask = desk.get(f"timeline/{by_title['ask 200']}")
    assert (ask["data"]["text"], ask["answer"]["text"], ask["status"]) == ("what?", "pong", 200)
    assert ["ce-eventName", "ask"] in ask["headers"]
    assert ["ce-signature", "(not shown)"] in ask["headers"]
    assert ["Set-Cookie", "(not shown)"] in ask["answerHeaders"]


@pytest.mark.parametrize(
    ("chosen", "titles"),
    [
        ({"hub": "NEWS"}, ["opened"]),
        ({"user": "ad", "kinds": "in"}, ["event message hi &"]),
        ({"text": "PURR"}, ["POST /api/hubs/chat/groups/cats/:send 202", "message cats <b>purr</b>"]),
        ({"kinds": "connection"}, ["opened", "opened"]),
        ({"kinds": "rest,out", "text": '"purr'}, []),
        ({"text": "nowhere"}, []),
        ({"after": "4", "kinds": "out"}, ["message pong"]),
    ],
)
def test_filter(emulator, desk, service, chosen, titles):
    emulator.add_event_handler("chat", answer)
    with emulator.connect("chat", user_id="ada", groups=["cats"]) as ada, emulator.connect("news"):
        service.send_to_group("cats", "<b>purr</b>", content_type="text/plain")
        ada.receive()
        ada.send_text("hi &")
        assert ada.receive_text() == "pong"
        assert desk.titles(**chosen) == titles
    assert [row["title"] for row in desk.get("record")][:1] == ["opened"]


def test_filter_by_connection(emulator, desk, service):
    with emulator.connect("chat") as one, emulator.connect("chat"):
        service.send_to_connection(one.connection_id, "x", content_type="text/plain")
        one.receive()
        assert desk.titles(connection=one.connection_id) == ["opened", "message x"]


def test_no_secret_is_in_what_it_shows(emulator, desk, service):
    emulator.add_event_handler("chat", EventHandler(handler=answer, system_events=["connect"]))
    url = emulator.client_url("chat", user_id="ada")
    headers = {"Cookie": "session=crumbs"}
    with connect(url, subprotocols=[RELIABLE], proxy=None, additional_headers=headers) as socket:
        token = json.loads(socket.recv(timeout=10))["reconnectionToken"]
        service.send_to_all("x", content_type="text/plain", headers={"X-Extra": "1"})
    signatures = [each.headers["ce-signature"] for each in emulator.record.webhooks]
    shown = json.dumps(desk.get("record")) + json.dumps(desk.get("timeline")) + desk.ask("GET", "snippet")[1]
    for secret in (url.partition("access_token=")[2], token, "crumbs", "Bearer ", emulator.access_key, *signatures):
        assert secret not in shown


def test_time_line_is_bounded(monkeypatch):
    monkeypatch.setattr(_timeline, "MAX_ENTRIES", 3)
    monkeypatch.setattr(_timeline, "MAX_BYTES", 1000)
    from azure.messaging.webpubsubservice.emulator import RecordedRefusal

    timeline = Timeline(lambda: 1.0, lambda entry: entry.what.why)
    for number in range(1, 6):
        timeline.add(RecordedRefusal("chat", None, f"why {number}"), 10)
    assert [each.number for each in timeline.select(Filter())] == [3, 4, 5]
    assert [each.number for each in timeline.select(Filter(), after=4)] == [5]
    assert (timeline.find(2), timeline.find(3).what.why, timeline.find(6)) == (None, "why 3", None)
    timeline.add(RecordedRefusal("chat", None, "large"), 995)
    assert [each.what.why for each in timeline.select(Filter())] == ["large"]
    timeline.clear()
    assert (timeline.select(Filter()), timeline.latest) == ([], 6)


# To act


def test_rest_call_without_a_token(emulator, desk):
    with emulator.connect("chat", user_id="ada") as ada, emulator.connect("chat") as other:
        target = f"/api/hubs/chat/:send?excluded={other.connection_id}&filter=userId%20eq%20'ada'"
        sent = desk.post("rest", method="POST", target=target, contentType="application/octet-stream", base64="AAH/")
        assert sent["status"] == 202
        assert ada.receive_bytes() == b"\x00\x01\xff"
        sent = desk.post(
            "rest", method="POST", target="/api/hubs/chat/:send?filter=x", contentType="text/plain", text=""
        )
        assert (sent["status"], "filter" in sent["text"].lower()) == (400, True)
    assert desk.titles(kinds="rest")[-1].startswith("POST /api/hubs/chat/:send?filter=x 400: ")


def test_permissions_and_close(emulator, desk):
    with emulator.connect("chat", subprotocol=JSON) as client:
        target = f"/api/hubs/chat/permissions/joinLeaveGroup/connections/{client.connection_id}?targetName=cats"
        for method, done in (("PUT", True), ("DELETE", False)):
            assert desk.post("rest", method=method, target=target)["status"] in (200, 204)
            client.send_json({"type": "joinGroup", "group": "cats", "ackId": 1 + done})
            assert client.receive_json()["success"] is done
        desk.post("rest", method="DELETE", target=f"/api/hubs/chat/connections/{client.connection_id}?reason=enough")
        assert client.receive_json()["message"] == "enough"
        with pytest.raises(ClientClosedError):
            client.receive()


def test_token_for_a_client(emulator, desk):
    url = desk.post("tokens", hub="chat", userId="ada", groups=["cats"], roles=["webpubsub.sendToGroup"])["url"]
    with emulator.connect(url) as ada:
        assert ada.user_id == "ada"
        assert desk.get("state")["hubs"][0]["connections"][0]["groups"] == ["cats"]


def test_dropped_connection_recovers(emulator, desk):
    url = emulator.client_url("chat")
    with connect(url, subprotocols=[RELIABLE], proxy=None) as socket:
        hello = json.loads(socket.recv(timeout=10))
        desk.post("drop", connectionId=hello["connectionId"])
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=10)
    emulator.record.wait_for(lambda record: record.connections[-1].event == "lost")
    assert desk.get("state")["hubs"][0]["connections"][0]["isConnected"] is False
    query = f"?awps_connection_id={hello['connectionId']}&awps_reconnection_token={hello['reconnectionToken']}"
    with connect(url.partition("?")[0] + query, subprotocols=[RELIABLE], proxy=None) as socket:
        assert json.loads(socket.recv(timeout=10))["connectionId"] == hello["connectionId"]
        assert desk.titles(kinds="connection") == ["opened", "lost: dropped from the console", "recovered"]


EVENTS = {
    "user": {"event": "ask", "text": "what?", "userId": "ada"},
    "connect": {"userId": "ada"},
    "connected": {},
    "disconnected": {"reason": "gone"},
    "joined": {"group": "cats"},
    "left": {"group": "cats"},
}


def test_every_kind_of_event_reaches_the_handler_and_can_be_repeated(emulator, desk):
    calls = []

    def handler(method, headers, body):
        calls.append((headers["ce-eventName"], headers.get("ce-userId"), body))
        return answer(method, headers, body)

    events = {"system_events": ["connect", "connected", "disconnected"], "group_presence_events": ["joined", "left"]}
    emulator.add_event_handler("chat", EventHandler(handler=handler, **events))
    for kind, fields in EVENTS.items():
        call = desk.post("events", kind=kind, hub="chat", **fields)
        assert (call["status"], call["answer"]["text"]) in ((200, "pong"), (204, ""))
        again = desk.post(f"timeline/{call['number']}/repeat")
        assert again["number"] == call["number"] + 1
        assert calls[-1] == calls[-2]
        assert again["data"] == call["data"]
    assert [name for name, _, _ in calls[::2]] == ["ask", *list(EVENTS)[1:]]
    assert calls[0] == ("ask", "ada", b"what?")


def test_faults(emulator, desk, service):
    from azure.core.exceptions import HttpResponseError

    for fault in (
        {"status": 503, "retryAfter": 0},
        {"drop": True},
        {"dropAfter": True},
        {"truncate": True},
        {"delay": 0},
    ):
        desk.post("faults", kind="rest", method="POST", times=2, **fault)
    assert [each["left"] for each in desk.get("state")["faults"]] == [2] * 5
    for _ in range(2):
        with pytest.raises(HttpResponseError, match="503"):
            service.send_to_all("x", retry_total=0)
    assert desk.titles(kinds="rest")[-1] == "POST /api/hubs/chat/:send 503: a fault that was injected"
    with emulator.connect("chat", user_id="ada") as ada:
        desk.post("faults", kind="socket", userId="ada", drop=True)
        with pytest.raises(ClientClosedError):
            ada.receive()


def test_clock_and_reset(emulator, desk):
    with emulator.connect("chat"):
        before = emulator.clock.now()
        assert desk.post("clock", seconds=3600)["clockAhead"] == 3600
        assert emulator.clock.now() - before >= 3600
        desk.post("reset")
        state = desk.get("state")
        assert (state["hubs"], state["clockAhead"], desk.rows()) == ([], 0, [])


@pytest.mark.parametrize(
    ("request_", "status", "words"),
    [
        (("GET", "nothing", None), 404, "docs/console.md"),
        (("POST", "state", {}), 405, "docs/console.md"),
        (("GET", "timeline/99", None), 404, "no entry 99"),
        (("GET", "timeline?kinds=x", None), 400, "'kinds' are some of rest"),
        (("GET", "timeline?after=x", None), 400, "'after'"),
        (("POST", "rest", []), 400, "JSON object"),
        (("POST", "rest", {"method": "GET", "target": "http://127.0.0.1/"}), 400, "begins with /api/hubs/"),
        (("POST", "rest", {"method": "TRACE", "target": "/api/hubs/x"}), 400, "'method' is one of"),
        (("POST", "rest", {"method": "POST", "target": "/api/hubs/x", "base64": "é"}), 400, "not base64"),
        (("POST", "rest", {"method": 1, "target": "x"}), 400, "'method' must be text"),
        (("POST", "tokens", {"hub": "chat", "roles": [1]}), 400, "list of texts"),
        (("POST", "drop", {"connectionId": "x"}), 404, "no socket"),
        (("POST", "events", {"kind": "user", "hub": "chat", "event": "e"}), 409, "--event-handler"),
        (("POST", "events", {"kind": "x", "hub": "chat"}), 400, "'kind' is"),
        (("POST", "events", {"kind": "user", "hub": "c", "event": "e", "dataType": "json"}), 400, "not JSON"),
        (("POST", "faults", {"kind": "x"}), 400, "rest or socket"),
        (("POST", "faults", {"kind": "rest", "url": "x"}), 400, "there is no 'url'"),
        (("POST", "faults", {"kind": "rest", "status": "503"}), 400, "of the type int"),
        (("POST", "faults", {"kind": "rest", "times": 0}), 400, "at least 1"),
        (("POST", "faults", {"kind": "socket"}), 400, "exactly one"),
        (("POST", "clock", {"seconds": -1}), 400, "negative"),
        (("POST", "clock", {"seconds": True}), 400, "a number"),
    ],
)
def test_what_is_wrong_is_said(desk, request_, status, words):
    method, path, body = request_
    got, text = desk.ask(method, path, body)
    assert (got, words in json.loads(text)["error"]) == (status, True), text


def test_body_that_is_no_json(desk):
    for body in (b"{", b"\xff", b"[" * 100_000):
        status, _, text = desk.send("POST", "/console/api/clock", body, X_Console_Token=desk.token)
        assert (status, json.loads(text)["error"]) == (400, "the body is not JSON")


def test_entry_that_is_no_call_cannot_be_repeated(emulator, desk):
    with emulator.connect("chat"):
        assert desk.ask("POST", "timeline/1/repeat", {}) == (
            409,
            '{"error":"only calls of event handlers can be repeated"}',
        )


def test_documentation_names_every_request():
    text = (Path(__file__).parents[2] / "docs" / "console.md").read_text(encoding="utf-8")
    with WebPubSubEmulator(console=True) as emulator:
        operations = emulator._console._api._operations
    assert {*operations} <= {(method, path) for method, path in re.findall(r"`(GET|POST) ([a-z]+)`", text)}
