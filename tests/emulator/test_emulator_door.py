"""The door, while anybody can have a token: a stranger's web page must not speak to it, and the developer's must."""

import logging
import re

import pytest
from emulator_peers import Caller, frame, sign
from hypothesis import given
from hypothesis import strategies as st
from test_emulator_names import ask, join
from websockets.exceptions import InvalidStatus

from azure.messaging.webpubsubservice.emulator import EventHandler, WebPubSubEmulator
from azure.messaging.webpubsubservice.emulator.rest._origin import authority
from azure.messaging.webpubsubservice.emulator.server._guard import PUBLIC_KEY, Guard

LOG = "azure.messaging.webpubsubservice.emulator"
OWN_KEY = "k" * 44
STRANGE_HOSTS = [
    "evil.example",
    "evil.example:8080",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "host.docker.internal.evil.example",
    "evil.example.",
    "a b",
    "x@localhost",
    "localhost/",
]
GOOD_HOSTS = [
    "localhost",
    "LOCALHOST:8080",
    "localhost.",
    "app.localhost",
    "127.0.0.1:8080",
    "[::1]:8080",
    "192.168.1.2",
    "203.0.113.9:8080",
    "emulator:8080",
    "my_service",
    "host.docker.internal:8080",
    "host.containers.internal",
]
STRANGE_ORIGINS = [
    "https://evil.example",
    "http://localhost.evil.example",
    "http://203.0.113.9",
    "http://[::ffff:203.0.113.9]",
    "http://[2001:db8::1]:3000",
    "null",
    "",
    "localhost",
    "http://",
    "file://",
    "http://[x",
]
GOOD_ORIGINS = [
    "http://localhost:3000",
    "https://localhost",
    "http://app.localhost:5173",
    "http://127.0.0.1:8000",
    "http://[::1]:8000",
    "http://192.168.1.2:3000",
    "http://100.64.0.7",
    "http://frontend:3000",
    "http://host.docker.internal",
    "capacitor://localhost",
]


def send(emulator, host, **headers):
    target = "/api/hubs/chat/:send?api-version=2024-12-01"
    token = sign(emulator.access_key, aud=f"http://{host}{target}")
    headers |= {"Authorization": f"Bearer {token}", "Content-Type": "text/plain"}
    return ask(emulator, "POST", target, host, body=b"x", **headers)


def hear(caplog):
    return [each.getMessage() for each in caplog.records if each.name == LOG and each.levelno == logging.WARNING]


@pytest.mark.parametrize("host", STRANGE_HOSTS)
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("GET", "/api/health"), ("GET", "/client/hubs/chat"), ("PUT", "/none")]
)
def test_nothing_is_served_under_a_name_that_is_not_of_this_machine(emulator, caplog, method, path, host):
    status, body = ask(emulator, method, path, host)
    assert status == 403
    (line,) = hear(caplog)
    assert line.startswith(f"{method} {path}: refused with 403: ")
    assert line.endswith(body.decode().rstrip())


@pytest.mark.parametrize("host", GOOD_HOSTS)
def test_names_of_this_machine_are_served(emulator, host):
    assert send(emulator, host)[0] == 202
    assert ask(emulator, "GET", "/", host)[0] == 200


def test_caller_that_names_no_host_is_no_browser(emulator):
    assert Caller(emulator).raw(b"HEAD /api/health HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.0 200 ")


@pytest.mark.parametrize("origin", STRANGE_ORIGINS)
def test_web_page_of_a_stranger_is_refused(emulator, caplog, origin):
    assert send(emulator, "localhost", Origin=origin)[0] == 403
    with pytest.raises(InvalidStatus, match="403"):
        join(emulator, f"http://localhost:{emulator.port}", headers={"Origin": origin})
    assert not emulator.record.sends
    rest, socket = hear(caplog)
    assert rest.startswith("POST /api/hubs/chat/:send: refused with 403: ")
    assert socket.startswith("GET /client/hubs/chat: refused with 403: ")
    assert "access_token" not in socket


@pytest.mark.parametrize("origin", GOOD_ORIGINS)
def test_web_page_of_the_developer_is_served(emulator, origin):
    assert send(emulator, "localhost", Origin=origin)[0] == 202
    with join(emulator, f"http://localhost:{emulator.port}", origin=origin) as client:
        assert frame(client)["event"] == "connected"


def test_log_and_answer_name_the_remedy_and_the_remedy_helps(emulator, caplog):
    status, body = send(emulator, "tunnel.example")
    assert (status, body.decode().rstrip()) == (403, hear(caplog)[0].partition("403: ")[2])
    (host,) = re.findall(r"--allow-host '([^']+)'", body.decode())
    assert "an access key of your own" in body.decode()
    status, body = send(emulator, "localhost", Origin="https://app.example:99")
    (origin,) = re.findall(r"--allow-origin '([^']+)'", body.decode())
    with WebPubSubEmulator(allowed_hosts=[host], allowed_origins=[origin]) as other:
        assert send(other, host, Origin=origin)[0] == 202
        assert send(other, "other.example")[0] == 403
        assert send(other, "localhost", Origin="https://app.example:98")[0] == 403


@pytest.mark.parametrize(
    ("options", "host", "origin"),
    [
        ({"allowed_hosts": ["App.Example.com:8080"]}, "app.example.com", None),
        ({"allowed_hosts": ["*.example.com"]}, "a.b.example.com", "https://c.example.com"),
        ({"allowed_hosts": ["*"]}, "anything.example", "https://anything.example"),
        ({"allowed_origins": ["https://app.example.com"]}, "localhost", "HTTPS://app.example.com"),
        ({"allowed_origins": ["https://*.example.com"]}, "localhost", "https://app.example.com"),
        ({"allowed_origins": ["null"]}, "localhost", "null"),
        ({"allowed_origins": ["*"]}, "localhost", "https://anything.example"),
        ({"endpoint": "https://hub.example"}, "hub.example", "https://hub.example"),
        ({"endpoint": "https://hub.example"}, "localhost", "https://hub.example"),
        ({"access_key": OWN_KEY}, "evil.example", "https://evil.example"),
        ({"access_key": OWN_KEY}, "a b", "null"),
    ],
)
def test_what_was_allowed_is_served(options, host, origin):
    with WebPubSubEmulator(**options) as emulator:
        assert ask(emulator, "GET", "/", host, Origin=origin)[0] == 200


@pytest.mark.parametrize(
    "options",
    [
        {"access_key": OWN_KEY, "accept_entra_tokens": True},
        {"access_key": OWN_KEY, "allow_anonymous": ["chat"]},
        {"access_key": OWN_KEY, "secondary_key": None},
    ],
)
def test_door_is_guarded_while_anybody_can_have_a_token(options):
    with WebPubSubEmulator() as public:
        key = public.access_key
    if "secondary_key" in options:
        options |= {"secondary_key": key}
    with WebPubSubEmulator(**options) as emulator:
        assert ask(emulator, "GET", "/", "evil.example")[0] == 403


def test_page_that_came_by_a_proxy_may_speak_to_the_host_it_came_from(emulator):
    tunnel = {"X_Forwarded_Host": "abc-8080.tunnel.example", "X_Forwarded_Proto": "https"}
    assert ask(emulator, "GET", "/", "localhost", Origin="https://abc-8080.tunnel.example", **tunnel)[0] == 200
    assert ask(emulator, "GET", "/", "localhost", Origin="https://evil.example", **tunnel)[0] == 403


def test_page_whose_name_was_made_to_lead_here_cannot_talk_itself_in(emulator):
    """DNS rebinding: it may set any header but ``Host`` and ``Origin``."""
    forged = {"X_Forwarded_Host": "localhost", "Forwarded": "host=localhost", "X_Host": "localhost"}
    assert ask(emulator, "GET", "/", "evil.example", Origin="http://evil.example", **forged)[0] == 403
    assert ask(emulator, "GET", "http://evil.example/", "localhost")[0] == 403


def test_refused_client_reaches_no_event_handler():
    heard = []
    handler = EventHandler(handler=lambda *event: heard.append(event), system_events=["connect"])
    with WebPubSubEmulator(event_handlers={"chat": handler}) as emulator:
        with pytest.raises(InvalidStatus, match="403"):
            join(emulator, f"http://localhost:{emulator.port}", origin="https://evil.example")
        with pytest.raises(InvalidStatus, match="403"):
            join(emulator, "http://evil.example")
    assert heard == []


def test_long_header_is_cut_in_the_log_and_cannot_break_a_line(emulator, caplog):
    ask(emulator, "GET", "/", "localhost", Origin="https://" + "e" * 5000 + ".example\u00e9")
    (line,) = hear(caplog)
    assert len(line) < 1000
    assert line.isascii()
    assert line.isprintable()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"allowed_hosts": "app.example.com"}, TypeError),
        ({"allowed_hosts": ["https://app.example.com"]}, ValueError),
        ({"allowed_hosts": [""]}, ValueError),
        ({"allowed_origins": "https://app.example.com"}, TypeError),
        ({"allowed_origins": ["app.example.com"]}, ValueError),
        ({"allowed_origins": ["https://app.example.com/"]}, ValueError),
    ],
)
def test_what_could_never_match_is_refused(options, error):
    with pytest.raises(error, match=r"app\.example\.com"):
        WebPubSubEmulator(**options)


def test_letters_that_are_ascii_in_lower_case_only_are_others():
    guard = Guard(PUBLIC_KEY, ["kiosk.example"], ["https://kiosk.example"])
    assert guard.refusal("kiosk.example", "https://KIOSK.example", "x") is None
    assert guard.refusal("kiosk.example", "https://\u212aiosk.example", "x") is not None
    assert authority("\u212aiosk.example") is None


@given(st.none() | st.text(), st.text())
def test_guard_has_an_answer_to_every_header(host, origin):
    guard = Guard(PUBLIC_KEY, [], [])
    why = guard.refusal(host, origin, "localhost:8080")
    assert why is None or why.isprintable()
