"""A canary for the access key, and canaries for tokens, sent down every path: none is ever seen again."""

import base64
import contextlib
import gzip
import logging
import re
import socket
import traceback

import pytest
from azure.core import exceptions as core
from azure.core.credentials import AzureKeyCredential
from azure.core.rest import HttpRequest
from local_servers import ACCEPTED, HttpServer, answer, refused_port

from azure.messaging.webpubsubservice import build_authentication_token
from azure.messaging.webpubsubservice._endpoint import parse_connection_string
from azure.messaging.webpubsubservice._logging import redact
from azure.messaging.webpubsubservice.emulator import RestFault, WebPubSubEmulator

CANARY = "CanaryKeyThatMustNeverBeSeenAnywhere0123456789"
ENTRA = "canary-entra-token-that-must-never-be-seen"
MINTED = "canary-minted-token-that-must-never-be-seen"
SECRETS = (CANARY, CANARY.lower(), base64.b64encode(CANARY.encode()).decode()[:40], ENTRA, MINTED)
JWT = re.compile(r"eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]+")
KEY = AzureKeyCredential(CANARY)


class Watch(logging.Handler):
    """Keeps everything that any library logs, and whatever else a test shows it."""

    def __init__(self):
        super().__init__(level=1)
        self.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))
        self.seen = []

    def emit(self, record):
        self.seen.append(self.format(record) + repr(record.args))

    def show(self, value):
        self.seen.append(f"{value!r}\n{value!s}")

    def show_error(self, error):
        """Look at an exception as a reader, a debugger and an error reporter would."""
        self.seen.append("".join(traceback.format_exception(error)))
        pending, known = [error], set()
        while pending:
            each = pending.pop()
            if each is None or id(each) in known:
                continue
            known.add(id(each))
            self.show(each)
            self.show(each.args)
            attributes = {name: value for name, value in vars(each).items() if name != "exc_traceback"}
            self.show(attributes)
            pending += [each.__cause__, each.__context__, getattr(each, "inner_exception", None)]

    def check(self):
        """Find no secret in what was seen."""
        text = self.text
        self.seen.clear()
        for secret in SECRETS:
            assert secret not in text, excerpt(text, secret)
        found = JWT.search(text)
        assert not found, excerpt(text, found[0])

    @property
    def text(self):
        return "\n".join(self.seen)


@pytest.fixture
def watch():
    """Log everything there is, and find no secret in it at the end."""
    handler = Watch()
    loggers = [logging.getLogger(), *(logging.getLogger(name) for name in list(logging.root.manager.loggerDict))]
    loggers += [logging.getLogger(name) for name in ("azure", "urllib3", "aiohttp", "asyncio", "websockets")]
    # The peer that stands for a user's browser logs its own URL, which is none of our business.
    loggers = [each for each in loggers if not each.name.startswith("websockets")]
    levels = [(each, each.level) for each in loggers]
    for each in loggers:
        each.setLevel(1)
    websockets = logging.getLogger("websockets")
    quiet, websockets.level = websockets.level, logging.WARNING
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)
    for each, level in levels:
        each.setLevel(level)
    websockets.setLevel(quiet)
    handler.check()


def excerpt(text, secret):
    start = text.index(secret)
    return text[max(start - 300, 0) : start + 300]


# Defects that these tests found; strict, so that who mends one takes its mark out.

CONNECTION_STRING = f"Endpoint=https://name.webpubsub.azure.com;AccessKey={CANARY};Version=1.0;"


@pytest.mark.parametrize(
    "text",
    [
        f"Endpoint=https://name.webpubsub.azure.com;{CANARY}",
        f"Endpoint=https://name.webpubsub.azure.com;AccessKey:{CANARY}",
        f"{CANARY}",
        f"={CANARY}",
        f"AccessKey={CANARY}",
        f"AccessKey={CANARY};AccessKey={CANARY}",
        f"{CANARY}=1;{CANARY}=2;Endpoint=https://x;AccessKey=x",
        f"Endpoint=https://name;AccessKey={CANARY};Port=seven",
        f"Endpoint=https://name;Port=1;AccessKey={CANARY};Port=2",
        f"Endpoint={CANARY};AccessKey={CANARY}",
        pytest.param(f"Endpoint=https://name:{CANARY};AccessKey={CANARY}"),
        f"Endpoint=https://user:{CANARY}@name;AccessKey={CANARY}",
        f"Endpoint=https://name/?key={CANARY};AccessKey={CANARY}",
        f"Endpoint=https://[{CANARY};AccessKey={CANARY}",
        pytest.param(f"Endpoint=https://name\N{DOUBLE EXCLAMATION MARK}\N{CARE OF}{CANARY};AccessKey={CANARY}"),
    ],
)
def test_broken_connection_string_shows_no_key(text, colour, watch):
    with pytest.raises((ValueError, TypeError)) as caught:
        colour.client_class.from_connection_string(text)
    watch.show_error(caught.value)
    with pytest.raises((ValueError, TypeError)) as caught:
        build_authentication_token(text, "chat")
    watch.show_error(caught.value)
    watch.check()


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ((CANARY, "chat", KEY), {}),
        ((CONNECTION_STRING, KEY), {"hub": "chat"}),
        pytest.param((CONNECTION_STRING.partition("=")[2], KEY), {"hub": "chat"}),
        pytest.param((f"https://name.webpubsub.azure.com:443;AccessKey={CANARY}", KEY), {"hub": "chat"}),
        ((f"https://user:{CANARY}@name", KEY), {}),
        (("https://name", CANARY), {}),
        (("https://name", "chat", CANARY), {}),
        (("https://name", CANARY, CANARY), {}),
        (("https://name", "chat", CANARY.encode()), {}),
        (("https://name", "chat", KEY, KEY), {}),
        (("https://name", KEY), {"hub": KEY}),
        (("https://name", KEY), {"reverse_proxy_endpoint": f"proxy:{CANARY}"}),
        pytest.param(("https://name", KEY), {"reverse_proxy_endpoint": f"https://proxy:{CANARY}"}),
        (("https://name",), {"access_key": CANARY}),
        (("https://name", KEY), {"access_key": CANARY}),
        (("https://name", KEY), {"timeout": CANARY}),
        (("https://name", KEY), {"connection_verify": 7, "user": CANARY}),
        ((KEY, KEY), {}),
        ((None, KEY), {}),
    ],
)
def test_wrong_argument_shows_no_key(arguments, options, connect, watch, no_dns):
    try:
        client = connect(*arguments, **options)
        client.send_to_all("hello", hub="chat", retry_total=0, timeout=0.2)
    except Exception as error:
        watch.show_error(error)
        watch.check()
    else:
        raise AssertionError("nothing was wrong with these arguments")


def test_text_of_no_object_shows_a_key(connect, watch, recorder):
    client = connect(recorder.url, KEY, hub="chat")
    client.send_to_all("hello", raw_request_hook=watch.show, raw_response_hook=watch.show)
    watch.show(client.client)
    watch.show(client.client.__dict__)
    watch.show(parse_connection_string(CONNECTION_STRING))
    made = type(client.client).from_connection_string(CONNECTION_STRING)
    for each in (made, vars(made), made._config, made._config.credential):
        watch.show(each)
    pipeline = client.client._pipeline
    watch.show(pipeline)
    watch.show(vars(pipeline))
    policies = [getattr(policy, "_policy", policy) for policy in pipeline._impl_policies]
    assert any("AccessKeyPolicy" in repr(policy) for policy in policies)
    for each in policies:
        watch.show(each)
    response = client.send_request(HttpRequest("POST", "/api/hubs/chat/:send", json=1))
    assert "Authorization" in response.request.headers
    for each in (response, response.request, vars(response)):
        watch.show(each)


ANSWERS = {
    **{
        str(status): answer(f"{status} Oh")
        for status in (301, 304, 400, 401, 403, 404, 409, 413, 429, 500, 502, 503, 504)
    },
    "dropped": None,
    "no_http": b"Authorization: what\r\n\r\n",
    "half": lambda _: [answer(body=b"xxxxxxxxxx")[:-5]],
    "redirect_away": answer("307 X", Location="http://no-such-host.invalid/x?access_token=" + MINTED),
    "redirect_nowhere": answer("307 X", Location="http://[bad"),
    "bad_gzip": answer(body=b"xxxx", Content_Encoding="gzip"),
    "good_gzip": answer(body=gzip.compress(b"{}"), Content_Encoding="gzip"),
    "echo": answer("401 Oh", body=f"what does access_token={MINTED} mean?".encode()),
    "echo_json": answer("400 Oh", body=b'{"code": "x", "message": "access_token=' + MINTED.encode() + b'"}'),
    "set_cookie": answer("403 Oh", Set_Cookie=f"session={MINTED}"),
}
OPERATIONS = {
    "send": lambda client, **options: client.send_to_all("hello", **options),
    "head": lambda client, **options: client.user_exists("ada", **options),
    "list": lambda client, **options: list(client.list_connections("room", **options)),
    "token": lambda client, **options: client.generate_client_token(user_id="ada", **options),
}


def failure(operation, client):
    """Return the error; none is a StopIteration."""
    try:
        operation(client)
    except core.AzureError as error:
        return error
    except ValueError as error:
        # A transport of the caller's own on requests fails so at a Location that is no URL.
        assert type(client.client._transport).__name__ == "RequestsTransport"
        return error
    raise StopIteration


@pytest.fixture
def no_dns(monkeypatch):
    real = socket.getaddrinfo

    def getaddrinfo(host, *args, **kwargs):
        if host not in ("localhost", "127.0.0.1"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.mark.parametrize("reply", ANSWERS.values(), ids=ANSWERS)
def test_no_answer_brings_a_secret_to_light(  # noqa: PLR0917  # fixtures
    reply, colour, connect, watch, recorder, no_dns
):
    recorder.respond = reply
    quick = {"logging_enable": True, "retry_backoff_factor": 0.001, "read_timeout": 0.5, "retry_total": 1}
    clients = [
        connect(recorder.url, KEY, hub="chat", **quick),
        connect(recorder.url, colour.token_credential(ENTRA), hub="chat", enforce_https=False, **quick),
    ]
    outcomes = []
    for client in clients:
        for operation in OPERATIONS.values():
            with contextlib.suppress(StopIteration):
                outcomes.append(failure(operation, client))
                watch.show_error(outcomes[-1])
    assert outcomes
    assert {dict(each.headers)["authorization"][:10] for each in recorder.requests} == {"Bearer eyJ", "Bearer can"}


def test_lost_connection_and_wrong_request_show_no_secret(colour, connect, watch, recorder):
    for credential in (KEY, colour.token_credential(ENTRA)):
        client = connect(f"http://127.0.0.1:{refused_port()}", credential, hub="chat", retry_total=0)
        with pytest.raises(core.ServiceRequestError) as caught:
            client.send_to_all("hello", logging_enable=True)
        watch.show_error(caught.value)
        client = connect(recorder.url, credential, hub="chat", logging_enable=True)
        for headers in ({"X-Bad": "a\r\nb"}, {"X: y\r\nZ": "x"}):
            with pytest.raises((ValueError, core.AzureError)) as caught:
                client.send_to_all("hello", headers=headers)
            watch.show_error(caught.value)
        with pytest.raises(TypeError) as caught:
            client.send_to_all(object())
        watch.show_error(caught.value)


def test_header_outside_of_latin_1_shows_no_other_header(request, colour, connect, watch, recorder):
    client = connect(recorder.url, KEY, hub="chat")
    try:
        client.send_to_all("hello", headers={"X-Bad": "\N{SNOWMAN}"})
    except (ValueError, core.AzureError) as error:
        watch.show_error(error)
    watch.check()


@pytest.mark.parametrize("body", ['{"token": "' + MINTED, '[{"token": "' + MINTED + '"}]'])
def test_answer_that_cannot_be_read_shows_no_token(body, connect, watch, recorder):
    recorder.respond = answer(body=body.encode(), Content_Type="application/json")
    client = connect(recorder.url, KEY, hub="chat")
    with pytest.raises(core.DecodeError) as caught:
        client.generate_client_token(user_id="ada")
    watch.show_error(caught.value)
    watch.check()


def test_body_that_shows_a_token_is_shown_without_it(connect, recorder):
    recorder.respond = answer("400 Oh", body=f"what does access_token={MINTED} mean?".encode())
    with pytest.raises(core.HttpResponseError) as caught:
        connect(recorder.url, KEY, hub="chat").send_to_all("hello")
    assert "Content: what does access_token=REDACTED mean?" in str(caught.value)


def test_log_shows_all_but_the_secrets(connect, watch, recorder, caplog):
    # Under requests, urllib3 logs URLs on its own, as they were given.
    caplog.set_level(logging.INFO, "urllib3.connectionpool")
    recorder.respond = answer(body=b'{"token": "' + MINTED.encode() + b'"}', Content_Type="application/json")
    client = connect(recorder.url, KEY, hub="chat", logging_enable=True)
    assert client.generate_client_token(user_id="ada") == {"token": MINTED}
    client.send_request(HttpRequest("GET", f"/x?access_token={MINTED}&other=kept", headers={"Cookie": MINTED}))
    assert recorder.requests[1].target == f"/x?access_token={MINTED}&other=kept"
    text = watch.text
    assert "'Authorization': 'REDACTED'" in text
    assert "'Cookie': 'REDACTED'" in text
    assert "/x?access_token=REDACTED&other=kept" in text
    assert '{"token": "REDACTED"}' in text
    assert "/api/hubs/chat/:generateToken?" in text
    assert "userId=ada" in text
    assert "Response status: 200" in text


def test_log_is_written_when_asked_for_only(connect, watch, recorder):
    client = connect(recorder.url, KEY, hub="chat")
    client.send_to_all("first message")
    client.send_to_all("second message", logging_enable=True)
    client.send_to_all(b"\xff\xfe", logging_enable=True)
    assert "first message" not in watch.text
    assert '"second message"' in watch.text
    assert "2 bytes of binary data" in watch.text


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("wss://h/client?a=1&access_token=abc.def&b=2", "wss://h/client?a=1&access_token=REDACTED&b=2"),
        ("ACCESS_TOKEN=abc", "ACCESS_TOKEN=REDACTED"),
        ('{"token":"abc","n":1}', '{"token":"REDACTED","n":1}'),
        ('{"accessToken" : "abc"}', '{"accessToken" : "REDACTED"}'),
        ("Endpoint=https://h;AccessKey=abc=;Version=1.0;", "Endpoint=https://h;AccessKey=REDACTED;Version=1.0;"),
        ("x eyJhbGciOiJIUzI1NiJ9.eyJhdWQiOiJhIn0.c2ln y", "x REDACTED y"),
        ("nothing secret: eyJ, token, access", "nothing secret: eyJ, token, access"),
    ],
)
def test_redaction_takes_out_the_secret_alone(text, redacted):
    assert redact(text) == redacted


def test_token_goes_to_the_service_alone(colour, connect, watch):
    with HttpServer(ACCEPTED) as elsewhere, HttpServer() as service:
        service.respond = answer("307 X", Location=f"{elsewhere.url}/there")
        for credential in (KEY, colour.token_credential(ENTRA)):
            client = connect(service.url, credential, hub="chat")
            client.send_request(HttpRequest("POST", "/api/hubs/chat/:send", content=b"x"))
            client.send_request(HttpRequest("POST", f"{elsewhere.url}/api", content=b"x"))
            lookalike = service.url.replace("localhost", "localhost.example.invalid@localhost")
            # Refused by our transports, but not by every other.
            with contextlib.suppress(ValueError, core.AzureError):
                client.send_request(HttpRequest("POST", f"{lookalike}/look", content=b"x"), permit_redirects=False)
        lookalikes = [each for each in service.requests if each.target == "/look"]
        assert len(elsewhere.requests) == 2
        assert len(service.requests) == 2 + len(lookalikes)
        for each in (*elsewhere.requests, *lookalikes):
            assert "Bearer" not in dict(each.headers).get("authorization", "")
        assert all(dict(each.headers)["authorization"] for each in service.requests if each not in lookalikes)


def test_emulators_log_has_no_secret(colour, connect, watch, sockets):
    from websockets.exceptions import InvalidStatus

    with WebPubSubEmulator(access_key=CANARY, secondary_key=CANARY[::-1]) as emulator:
        watch.show(emulator)
        client = connect(emulator.endpoint, KEY, hub="chat", retry_total=0)
        member = sockets(client.get_client_access_token(user_id="ada", groups=["room"])["url"])
        client.send_to_all("hello")
        assert member.data() == ("json", "hello")
        for url in (
            f"{emulator.client_url('chat')}x",
            f"ws{emulator.endpoint[4:]}/client/hubs/chat?access_token={MINTED}",
            f"ws{emulator.endpoint[4:]}/client/hubs/chat?access_token={CANARY}",
        ):
            with pytest.raises(InvalidStatus):
                sockets(url)
        with pytest.raises(core.ClientAuthenticationError):
            connect(emulator.endpoint, AzureKeyCredential("another-key" * 4), hub="chat").send_to_all("hello")
        for fault in (RestFault(drop=True), RestFault(truncate=True), RestFault(status=500)):
            emulator.inject(fault)
            with pytest.raises(core.AzureError):
                client.send_to_all("hello")
        member.send(type="joinGroup", group="x", ackId=1)
        watch.show(emulator.record)
        watch.show(emulator.record.sends)
        watch.show(emulator.record.frames)
    assert "refused with 401" in watch.text
