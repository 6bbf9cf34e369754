"""The service's side of event handlers, against real servers, ASGI applications and functions."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import logging
import socket
import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest
import uvicorn
from aiohttp import web

from azure.messaging.webpubsubservice.emulator.hub._frames import Payload
from azure.messaging.webpubsubservice.emulator.webhooks._answers import (
    Answer,
    BadAnswer,
    ConnectOutcome,
    UserEventOutcome,
    read_connect_answer,
    read_user_event_answer,
)
from azure.messaging.webpubsubservice.emulator.webhooks._cloudevents import (
    ConnectedEvent,
    ConnectEvent,
    ConnectionContext,
    DisconnectedEvent,
    UserEvent,
    event_headers,
)
from azure.messaging.webpubsubservice.emulator.webhooks._event_handlers import EventHandler
from azure.messaging.webpubsubservice.emulator.webhooks._upstream import Upstream
from azure.messaging.webpubsubservice.eventhandler import ConnectResponse, WebPubSubEventHandler

CONTEXT = ConnectionContext("chat", "c1", "ann", "json.webpubsub.azure.v1", "c3RhdGU=", 7, "localhost")
ALL = ("connect", "connected", "disconnected")
KEYS = ("primary", "secondary")


def signature(key):
    return "sha256=" + hmac.new(key.encode(), b"c1", hashlib.sha256).hexdigest()


# Requests


def test_headers_of_an_event_are_those_of_the_service():
    event = UserEvent(CONTEXT, "message", Payload("text", b"hi"), {"k": "v"})
    assert event_headers(event, keys=KEYS, now=0.0) == {
        "WebHook-Request-Origin": "localhost",
        "Content-Type": "text/plain; charset=utf-8",
        "ce-specversion": "1.0",
        "ce-awpsversion": "1.0",
        "ce-type": "azure.webpubsub.user.message",
        "ce-source": "/hubs/chat/client/c1",
        "ce-id": "7",
        "ce-time": "1970-01-01T00:00:00Z",
        "ce-signature": f"{signature('primary')},{signature('secondary')}",
        "ce-connectionId": "c1",
        "ce-hub": "chat",
        "ce-eventName": "message",
        "ce-userId": "ann",
        "ce-subprotocol": "json.webpubsub.azure.v1",
        "ce-connectionState": "c3RhdGU=",
        "x-webpubsub-metadata-k": "v",
    }


def test_absent_values_have_no_header():
    headers = event_headers(ConnectEvent(ConnectionContext("chat", "c1")), keys=KEYS[:1], now=0.0)
    assert not {"ce-userId", "ce-subprotocol", "ce-connectionState"} & headers.keys()
    assert headers["ce-type"] == "azure.webpubsub.sys.connect"
    assert headers["ce-signature"] == signature("primary")


def test_user_id_cannot_end_a_header():
    headers = event_headers(ConnectedEvent(replace(CONTEXT, user_id="a\r\nX: é")), keys=KEYS, now=0.0)
    assert headers["ce-userId"] == "a%0D%0AX: é"


def test_connect_body_leaves_the_credentials_out():
    event = ConnectEvent(
        CONTEXT,
        {"sub": ["ann"]},
        {"access_token": ["secret"], "a": ["1", "2"]},
        {"Authorization": ["secret"], "Host": ["h"]},
        ("json.webpubsub.azure.v1",),
    )
    assert json.loads(event.body()) == {
        "claims": {"sub": ["ann"]},
        "query": {"a": ["1", "2"]},
        "headers": {"Host": ["h"]},
        "subprotocols": ["json.webpubsub.azure.v1"],
        "clientCertificates": [],
    }


def test_bodies_of_the_other_events():
    assert ConnectedEvent(CONTEXT).body() == b"{}"
    assert DisconnectedEvent(CONTEXT, "bye").body() == b'{"reason":"bye"}'
    assert DisconnectedEvent(CONTEXT).body() == b'{"reason":null}'
    assert UserEvent(CONTEXT, "e", Payload("binary", b"\x00")).body() == b"\x00"


@pytest.mark.parametrize(
    ("kind", "content_type"),
    [
        ("text", "text/plain; charset=utf-8"),
        ("json", "application/json; charset=utf-8"),
        ("binary", "application/octet-stream"),
        ("protobuf", "application/x-protobuf"),
    ],
)
def test_content_type_of_a_user_event_follows_its_data(kind, content_type):
    assert UserEvent(CONTEXT, "e", Payload(kind, b"")).content_type == content_type


# Answers


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(204), ConnectOutcome(204)),
        (Answer(200), ConnectOutcome(200)),
        (Answer(200, (), b"null"), ConnectOutcome(200)),
        (Answer(200, (), b"{}"), ConnectOutcome(200)),
        (
            Answer(
                200,
                (("CE-ConnectionState", "a"), ("ce-connectionstate", "b")),
                b'{"userId":"","groups":["g"],"roles":[],"subprotocol":"x","mqtt":{}}',
            ),
            ConnectOutcome(200, "", ["g"], [], "x", "b"),
        ),
        (Answer(200, (("ce-connectionState", ""),), b'{"groups":[],"roles":null}'), ConnectOutcome(200, state="")),
    ],
)
def test_connect_answer_says_who_the_client_is(answer, outcome):
    assert read_connect_answer(answer) == outcome


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'"x"',
        b"{",
        b"\xff",
        b'{"userId":1}',
        b'{"groups":"g"}',
        b'{"groups":[1]}',
        b'{"groups":[" "]}',
        b'{"roles":{}}',
        b"[" * 100_000,
    ],
)
def test_malformed_connect_answer_is_refused(body):
    with pytest.raises(BadAnswer):
        read_connect_answer(Answer(200, (), body))


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(204, (("ce-connectionState", "s"),)), UserEventOutcome(state="s")),
        (Answer(200, (("Content-Type", "application/json"),)), UserEventOutcome()),
        (
            Answer(200, (("Content-Type", "text/plain;charset=ISO-8859-1"),), b"\xe9"),
            UserEventOutcome(reply=Payload("text", "é".encode())),
        ),
        (
            Answer(200, (("content-type", "Application/JSON; charset=utf-8"),), b"1.0"),
            UserEventOutcome(reply=Payload("json", b"1.0")),
        ),
        (
            Answer(200, (("Content-Type", "application/octet-stream"),), b"\x00"),
            UserEventOutcome(reply=Payload("binary", b"\x00")),
        ),
        (
            Answer(200, (("Content-Type", "application/x-protobuf"),), b"\x00"),
            UserEventOutcome(reply=Payload("protobuf", b"\x00")),
        ),
        (Answer(200, (), b"x"), UserEventOutcome(reply=Payload("binary", b"x"))),
        (
            Answer(200, (("X-WebPubSub-Metadata-K", "a, b"),)),
            UserEventOutcome(reply=Payload("text", b""), metadata={"k": "b"}),
        ),
    ],
)
def test_user_event_answer_is_a_message_or_nothing(answer, outcome):
    assert read_user_event_answer(answer) == outcome


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/html", b"x"),
        ("nonsense", b"x"),
        ("application/json", b"{"),
        ("text/plain", b"\xff"),
        ("text/plain; charset=nonsense", b"x"),
    ],
)
def test_user_event_answer_of_another_type_is_a_failure(content_type, body):
    with pytest.raises(BadAnswer):
        read_user_event_answer(Answer(200, (("Content-Type", content_type),), body))


# Settings of a handler


@pytest.mark.parametrize(
    ("template", "url"),
    [
        ("http://h/x", "http://h/x"),
        ("https://h:1/{hub}/{event}?code={EVENT}", "https://h:1/cha%5Bt/a%20b?code=a%20b"),
    ],
)
def test_url_template_is_filled_in_escaped(template, url):
    assert EventHandler(template).url("cha[t", "a b") == url


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("http://{hub}.example/x", "parameter in the host"),
        ("ftp://h/x", "absolute http or https"),
        ("/x", "absolute http or https"),
        ("http:///x", "absolute http or https"),
        ("http://h:x/", "is not a URL"),
        ("tunnel:///x", "no tunnel"),
        ("http://h/{@Microsoft.KeyVault(SecretUri=x)}", "Key Vault"),
    ],
)
def test_url_template_that_cannot_be_is_refused(template, message):
    with pytest.raises(ValueError, match=message):
        EventHandler(template)


def test_events_of_a_handler():
    handler = EventHandler("http://h", system_events=["Connect"], user_event_pattern=" Message, other")
    assert handler.takes("connect", is_user=False)
    assert not handler.takes("connected", is_user=False)
    assert not handler.takes("connect", is_user=True)
    assert handler.takes("MESSAGE", is_user=True)
    assert not handler.takes("message", is_user=False)
    assert not handler.takes("mess", is_user=True)
    assert EventHandler("http://h").takes("anything", is_user=True)
    assert not EventHandler("http://h", user_event_pattern=None).takes("message", is_user=True)


def test_handler_with_wrong_values_is_refused():
    with pytest.raises(ValueError, match="give 'url_template', 'app' or 'handler'"):
        EventHandler()
    with pytest.raises(ValueError, match="give 'handler' alone"):
        EventHandler("http://h", handler=print)
    with pytest.raises(ValueError, match=r"has \['joined'\]"):
        EventHandler("http://h", system_events=["joined"])
    with pytest.raises(TypeError, match="list of names"):
        EventHandler("http://h", system_events="connect")
    with pytest.raises(TypeError, match="must be callable"):
        EventHandler(handler=3)
    with pytest.raises(TypeError, match="must be a str"):
        EventHandler("http://h", user_event_pattern=3)


def test_code_in_the_url_is_not_shown():
    assert "secret" not in repr(EventHandler("http://h/?code=secret"))


# Calls


class Site:
    """A handler on a port of its own: answers from a list, then 200; remembers the requests."""

    def __init__(self, *answers, allowed="*"):
        self.answers = list(answers)
        self.allowed = allowed
        self.requests = []
        self.validations = []
        self.validation_status = 200
        self.url = ""

    async def handle(self, request):
        if request.method in ("OPTIONS", "GET"):
            self.validations.append(request)
            headers = {} if self.allowed is None else {"WebHook-Allowed-Origin": self.allowed}
            status = self.validation_status if request.method == "OPTIONS" else 200
            return web.Response(status=status, headers=headers)
        self.requests.append(SimpleNamespace(path=request.raw_path, headers=request.headers, body=await request.read()))
        if not self.answers:
            return web.Response()
        answer = self.answers.pop(0)
        if answer is ConnectionError:
            request.transport.abort()
            return web.Response()
        return answer

    async def __aenter__(self):
        app = web.Application(client_max_size=2**20)
        app.router.add_route("*", "/{path:.*}", self.handle)
        self.runner = web.AppRunner(app, access_log=None, handler_cancellation=False)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self.runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_):
        await self.runner.cleanup()


class Pauses:
    def __init__(self):
        self.seconds = []

    async def __call__(self, seconds):
        self.seconds.append(seconds)


@contextlib.asynccontextmanager
async def calling(*handlers, hub="chat", **options):
    calls = []
    options = {"keys": KEYS, "on_call": calls.append, "sleep": Pauses()} | options
    upstream = Upstream({hub: handlers}, **options)
    upstream.calls = calls
    upstream.pauses = options["sleep"].seconds
    try:
        yield upstream
    finally:
        await upstream.aclose()


def text(body, **headers):
    return web.Response(body=body, headers={"Content-Type": "text/plain", **headers})


def message(event_id=1, name="message", **changes):
    return UserEvent(replace(CONTEXT, event_id=event_id, **changes), name, Payload("text", b"hi"))


def test_http_handler_is_asked_and_its_answer_is_the_outcome():
    async def main():
        answers = [web.json_response({"userId": "bob"}), text("pong", **{"ce-connectionState": "new"})]
        async with (
            Site(*answers) as site,
            calling(EventHandler(site.url + "/{hub}/{event}?code=x", system_events=ALL)) as up,
        ):
            assert await up.connect(ConnectEvent(CONTEXT)) == ConnectOutcome(200, "bob")
            assert await up.user_event(message()) == UserEventOutcome(reply=Payload("text", b"pong"), state="new")
            await up.connected(ConnectedEvent(CONTEXT))
            await up.disconnected(DisconnectedEvent(CONTEXT, "bye"))
            paths = [f"/chat/{name}?code=x" for name in ("connect", "message", "connected", "disconnected")]
            assert [request.path for request in site.requests] == paths
            assert site.requests[1].headers["ce-userId"] == "ann"
            assert site.requests[1].body == b"hi"
            assert site.requests[3].body == b'{"reason":"bye"}'
            (validation,) = site.validations
            assert (validation.method, validation.raw_path) == ("OPTIONS", "/chat/validate?code=x")
            assert validation.headers["WebHook-Request-Origin"] == "localhost"
            assert validation.headers["ce-awpsversion"] == "1.0"
            assert "ce-signature" not in validation.headers
            assert [(call.event, call.status, call.error) for call in up.calls] == [
                (name, 200, None) for name in ("connect", "message", "connected", "disconnected")
            ]
            assert up.calls[1].url == site.url + "/chat/message?code=x"
            assert up.calls[1].headers["ce-eventName"] == "message"

    asyncio.run(main())


def test_no_handler_lets_clients_in_and_fails_user_events(caplog):
    async def main():
        handler = EventHandler(handler=lambda *_: pytest.fail("not for this event"), user_event_pattern="other")
        async with calling(handler) as up:
            assert await up.connect(ConnectEvent(CONTEXT)) == ConnectOutcome()
            await up.connected(ConnectedEvent(CONTEXT))
            await up.disconnected(DisconnectedEvent(CONTEXT))
            outcome = await up.user_event(message())
            assert outcome.failed
            assert outcome.why.startswith("Upstream not found for hub:chat,event:message,type:user,category:messages: ")
            assert up.handles("CHAT", "other", is_user=True)
            assert not up.handles("chat", "connect")
            assert up.calls == []

    asyncio.run(main())
    assert "Upstream not found for hub:chat,event:message,type:user,category:messages" in caplog.text


def test_first_handler_that_matches_gets_the_event():
    async def main():
        asked = []
        handlers = [
            EventHandler(handler=lambda *_: asked.append("a") or Answer(204), user_event_pattern="a"),
            EventHandler(handler=lambda *_: asked.append("all") or Answer(204)),
            EventHandler(handler=lambda *_: asked.append("late") or Answer(204)),
        ]
        async with calling(*handlers) as up:
            for name in ("A", "b"):
                assert not (await up.user_event(message(name=name))).failed
        assert asked == ["a", "all"]

    asyncio.run(main())


def test_default_hub_serves_hubs_without_settings_only():
    async def main():
        handler = EventHandler(handler=lambda *_: Answer(204))
        up = Upstream({"_default": [handler], "quiet": []}, keys=KEYS)
        assert not (await up.user_event(message())).failed
        assert (await up.user_event(message(hub="Quiet"))).failed
        await up.aclose()

    asyncio.run(main())


@pytest.mark.parametrize("status", [500, 502, 599, 408, ConnectionError])
def test_failing_handler_is_asked_four_times(status):
    async def main():
        answers = [status if status is ConnectionError else web.Response(status=status) for _ in range(9)]
        async with (
            Site(*answers) as site,
            calling(EventHandler(site.url, system_events=ALL)) as up,
        ):
            outcome = await up.user_event(message())
            assert outcome.failed
            assert len(site.requests) == 4
            assert up.pauses == [1.0, 3.0, 5.0]
            wanted = None if status is ConnectionError else status
            assert [call.status for call in up.calls] == [wanted] * 4
            assert len({request.headers["ce-id"] for request in site.requests}) == 1
            refused = await up.connect(ConnectEvent(CONTEXT))
            assert (refused.status, refused.is_accepted) == (wanted or 500, False)

    asyncio.run(main())


def test_handler_that_recovers_is_asked_no_more():
    async def main():
        async with (
            Site(web.Response(status=503), ConnectionError, text("ok")) as site,
            calling(EventHandler(site.url)) as up,
        ):
            assert (await up.user_event(message())).reply == Payload("text", b"ok")
            assert up.pauses == [1.0, 3.0]
            assert [call.status for call in up.calls] == [503, None, 200]

    asyncio.run(main())


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 429])
def test_refusal_is_final_and_its_status_is_that_of_the_handshake(status, caplog):
    async def main():
        answers = [web.Response(status=status, headers={"Location": "/elsewhere"}) for _ in range(2)]
        async with Site(*answers) as site, calling(EventHandler(site.url, system_events=ALL)) as up:
            outcome = await up.connect(ConnectEvent(CONTEXT))
            assert (outcome.status, outcome.is_accepted) == (status, False)
            assert (await up.user_event(message())).failed
            assert len(site.requests) == 2
            assert up.pauses == []

    asyncio.run(main())
    assert "Event connect of connection c1, hub chat: the handler http://127.0.0.1:" in caplog.text
    assert f"answered {status}" in caplog.text


def test_unsupported_answers_fail_without_a_retry():
    async def main():
        answers = [
            web.Response(body=b"x", content_type="text/html"),
            web.Response(body=b"{", content_type="application/json"),
        ]
        async with Site(*answers) as site, calling(EventHandler(site.url, system_events=ALL)) as up:
            assert (await up.user_event(message())).failed
            assert (await up.connect(ConnectEvent(CONTEXT))).status == 500
            assert len(site.requests) == 2

    asyncio.run(main())


def test_answer_over_16_mib_fails_while_it_is_read():
    async def main():
        async def endless(request):
            if request.method == "OPTIONS":
                return web.Response(headers={"WebHook-Allowed-Origin": "*"})
            response = web.StreamResponse(headers={"Content-Type": "text/plain"})
            await response.prepare(request)
            with contextlib.suppress(ConnectionError):
                while True:
                    await response.write(b"x" * 2**18)
            return response

        site = Site()
        site.handle = endless
        async with site, calling(EventHandler(site.url)) as up:
            outcome = await up.user_event(message())
            assert outcome.failed
            assert "larger than 16,777,216 bytes" in outcome.why
            assert len(up.calls) == 1

    asyncio.run(main())


def test_silent_handler_fails_after_the_time_limit():
    async def main():
        done = asyncio.Event()

        async def silent(*_):
            await done.wait()

        async with calling(EventHandler(handler=silent), timeout=0.05) as up:
            outcome = await up.user_event(message())
            assert outcome.failed
            assert "no answer in 0.05 seconds" in outcome.why
            assert [call.error for call in up.calls] == ["no answer in 0.05 seconds"]

    asyncio.run(main())


def test_handler_that_is_not_there_fails():
    async def main():
        async with Site() as site:
            url = site.url
        async with calling(EventHandler(url, system_events=ALL)) as up:
            outcome = await up.connect(ConnectEvent(CONTEXT))
            assert outcome.status == 500
            assert f"Abuse protection for '{url}' failed" in outcome.why

    asyncio.run(main())


# Abuse protection


@pytest.mark.parametrize("allowed", ["*", "localhost:8080", "LOCALHOST:8080", "localhost", "a.example, localhost:8080"])
def test_handler_that_allows_the_origin_gets_events(allowed):
    async def main():
        async with Site(allowed=allowed) as site, calling(EventHandler(site.url)) as up:
            for _ in range(3):
                assert not (await up.user_event(message())).failed
            assert len(site.validations) == 1

    asyncio.run(main())


@pytest.mark.parametrize(
    ("allowed", "status", "words"),
    [
        (None, 200, "missing allowed origins: ."),
        ("a.example, b.example", 200, "missing allowed origins: a.example, b.example."),
        ("*", 401, "failed: 401."),
    ],
)
def test_handler_that_does_not_allow_the_origin_gets_none(allowed, status, words):
    async def main():
        site = Site(allowed=allowed)
        site.validation_status = status
        async with site, calling(EventHandler(site.url + "/?code=secret", system_events=ALL)) as up:
            outcome = await up.connect(ConnectEvent(CONTEXT))
            assert outcome.status == 500
            assert f"Abuse protection for '{site.url}/' {words}" in outcome.why
            assert (await up.user_event(message())).failed
            assert len(site.validations) == 1
            assert site.requests == []

    asyncio.run(main())


def test_validation_falls_back_to_get_on_404():
    async def main():
        site = Site()
        site.validation_status = 404
        async with site, calling(EventHandler(site.url)) as up:
            assert not (await up.user_event(message())).failed
            assert [request.method for request in site.validations] == ["OPTIONS", "GET"]

    asyncio.run(main())


def test_refusal_is_remembered_for_a_time_that_doubles_to_a_minute():
    async def main():
        now = [0.0]
        site = Site(allowed=None)
        async with site, calling(EventHandler(site.url), monotonic=lambda: now[0]) as up:
            intervals = []
            for _ in range(9):
                count = len(site.validations)
                start = now[0]
                while len(site.validations) == count:
                    assert (await up.user_event(message())).failed
                    now[0] += 1
                intervals.append(now[0] - 1 - start)
            assert intervals == [0, 1, 3, 7, 15, 31, 59, 59, 59]
            site.allowed = "*"
            now[0] += 60
            assert not (await up.user_event(message())).failed

    asyncio.run(main())


def test_allowed_url_is_asked_again_after_a_minute_without_holding_events_up():
    async def main():
        now = [0.0]
        async with Site() as site, calling(EventHandler(site.url), monotonic=lambda: now[0]) as up:
            assert not (await up.user_event(message())).failed
            now[0] = 59.0
            assert not (await up.user_event(message())).failed
            assert len(site.validations) == 1
            now[0] = 60.0
            site.allowed = None
            assert not (await up.user_event(message())).failed
            for _ in range(500):
                if (await up.user_event(message())).failed:
                    break
            assert len(site.validations) == 2
            assert (await up.user_event(message())).failed

    asyncio.run(main())


def test_many_events_at_once_ask_only_once():
    async def main():
        async with Site() as site, calling(EventHandler(site.url)) as up:
            outcomes = await asyncio.gather(*(up.user_event(message(n)) for n in range(20)))
            assert not any(outcome.failed for outcome in outcomes)
            assert len(site.validations) == 1

    asyncio.run(main())


# Cookies


def test_cookies_are_kept_for_each_connection_until_it_ends():
    async def main():
        answers = [
            web.Response(headers={"Set-Cookie": "ARR=1; Path=/; HttpOnly"}),
            web.Response(status=400, headers={"Set-Cookie": "ARR=bad; Path=/"}),
        ]
        async with Site(*answers) as site, calling(EventHandler(site.url + "/x", system_events=ALL)) as up:
            await up.connect(ConnectEvent(CONTEXT))
            await up.user_event(message(1))
            await up.user_event(message(2))
            await up.user_event(message(1, connection_id="c2"))
            await up.disconnected(DisconnectedEvent(CONTEXT))
            await up.user_event(message(3))
            assert [request.headers.get("Cookie") for request in site.requests] == [
                None, "ARR=1", "ARR=1", None, "ARR=1", None,
            ]  # fmt: skip

    asyncio.run(main())


# In this process


class Reply:
    def __init__(self, status=200, headers=None, body=b""):
        self.status, self.headers, self.body = status, headers, body


@pytest.mark.parametrize("colour", ["plain", "async", "object", "returns awaitable"])
def test_function_is_called_with_method_headers_and_body(colour):
    async def main():
        asked = []

        def plain(method, headers, body):
            asked.append((method, headers["ce-eventName"], body, threading.current_thread() is loop_thread))
            return Reply(200, {"Content-Type": "text/plain"}, "é")

        async def coroutine(method, headers, body):
            return plain(method, headers, body)

        def returns_awaitable(*arguments):
            return coroutine(*arguments)

        class Object:
            async def handle_async(self, method, headers, body):
                return plain(method, headers, body)

        loop_thread = threading.current_thread()
        handler = {
            "plain": plain,
            "async": coroutine,
            "object": Object(),
            "returns awaitable": returns_awaitable,
        }
        async with calling(EventHandler(handler=handler[colour])) as up:
            outcome = await up.user_event(message())
            assert outcome == UserEventOutcome(reply=Payload("text", "é".encode()))
            assert asked == [("POST", "message", b"hi", colour != "plain")]
            assert [(call.url, call.status) for call in up.calls] == [(None, 200)]

    asyncio.run(main())


def test_plain_function_that_blocks_does_not_hold_the_loop_up():
    async def main():
        free = threading.Event()

        def blocks(*_):
            assert free.wait(10)
            return Reply()

        async with calling(EventHandler(handler=blocks)) as up:
            task = asyncio.create_task(up.user_event(message()))
            await asyncio.sleep(0)
            free.set()
            assert not (await task).failed

    asyncio.run(main())


def test_function_that_raises_counts_as_500_and_its_traceback_is_logged(caplog):
    async def main():
        def broken(*_):
            raise ZeroDivisionError("oops")

        async with calling(EventHandler(handler=broken)) as up:
            assert (await up.user_event(message())).failed
            assert [call.status for call in up.calls] == [500] * 4

    asyncio.run(main())
    assert "ZeroDivisionError: oops" in caplog.text


@pytest.mark.parametrize("result", [None, 3, Reply("x"), Reply(99), Reply(body=3), Reply(body=b"x" * (2**24 + 1))])
def test_function_that_returns_no_answer_fails(result):
    async def main():
        async with calling(EventHandler(handler=lambda *_: result)) as up:
            assert (await up.user_event(message())).failed
            assert len(up.calls) == 1

    asyncio.run(main())


def test_asgi_application_is_asked_without_a_socket():
    async def main():
        scopes = []

        async def app(scope, receive, send):
            request = await receive()
            scopes.append((scope, request))
            if scope["method"] == "OPTIONS":
                headers = [(b"webhook-allowed-origin", b"*")]
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                await send({"type": "http.response.body"})
                return
            headers = [(b"content-type", b"text/plain"), (b"set-cookie", b"a=b; Path=/")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b"po", "more_body": True})
            await send({"type": "http.response.body", "body": b"ng"})
            assert await receive() == {"type": "http.disconnect"}

        async with calling(EventHandler("/eh/{event}/?a=1", app=app)) as up:
            assert (await up.user_event(message(name="a b", user_id="é"))).reply == Payload("text", b"pong")
            await up.user_event(message())
        scope, request = scopes[1]
        assert scopes[0][0]["path"] == "/eh/validate/"
        assert (scope["type"], scope["method"], scope["scheme"]) == ("http", "POST", "http")
        assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/eh/a b/", b"/eh/a%20b/", b"a=1")
        headers = dict(scope["headers"])
        assert headers[b"host"] == b"localhost"
        assert headers[b"content-length"] == b"2"
        assert headers[b"ce-userid"] == "é".encode()
        assert request == {"type": "http.request", "body": b"hi", "more_body": False}
        assert dict(scopes[2][0]["headers"])[b"cookie"] == b"a=b"

    asyncio.run(main())


async def never_answers(scope, receive, send):
    return


async def half_answers(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"webhook-allowed-origin", b"*")]})


async def raises(scope, receive, send):
    raise RuntimeError("broken application")


async def answers_without_end(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"webhook-allowed-origin", b"*")]})
    while True:
        await send({"type": "http.response.body", "body": b"x" * 2**20, "more_body": True})


@pytest.mark.parametrize("app", [never_answers, half_answers, raises, answers_without_end])
def test_broken_asgi_application_is_a_failure(app):
    async def main():
        async with calling(EventHandler(app=app, system_events=ALL)) as up:
            assert (await up.connect(ConnectEvent(CONTEXT))).status == 500

    asyncio.run(main())


# With the package's own event handler


def own_handler():
    handler = WebPubSubEventHandler("chat", allowed_endpoints=["http://localhost:8080"], access_key="secondary")

    @handler.on_connect
    def connect(request):
        return ConnectResponse(user_id="bob", states={"n": 1})

    @handler.on_event("message")
    def answer(request):
        return f"{request.context.user_id} said {request.data}"

    return handler


async def converse(up):
    outcome = await up.connect(ConnectEvent(replace(CONTEXT, state="")))
    assert (outcome.status, outcome.user_id) == (200, "bob")
    assert outcome.state
    context = replace(CONTEXT, state=outcome.state)
    reply = await up.user_event(UserEvent(context, "message", Payload("text", b"hi")))
    assert reply.reply == Payload("text", b"ann said hi")


def test_own_handler_answers_in_process():
    async def main():
        async with calling(EventHandler(handler=own_handler(), system_events=ALL)) as up:
            await converse(up)

    asyncio.run(main())


def test_own_handler_answers_as_an_asgi_application():
    async def main():
        async with calling(EventHandler("/eventhandler/", app=own_handler().asgi_app, system_events=ALL)) as up:
            await converse(up)

    asyncio.run(main())


def test_own_handler_answers_behind_uvicorn():
    async def main():
        listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(own_handler().asgi_app, log_level=logging.WARNING, ws="none")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server._serve([listener]))
        port = listener.getsockname()[1]
        try:
            async with calling(EventHandler(f"http://127.0.0.1:{port}/", system_events=ALL)) as up:
                await converse(up)
        finally:
            server.should_exit = True
            await serving
            listener.close()

    asyncio.run(main())
