import re
import socket
import subprocess
import sys
import threading

import pytest
from event_requests import KEY, OTHER_KEY, waitress_server

from azure.messaging.webpubsubservice.eventhandler import (
    ConnectResponse,
    EventErrorResponse,
    UserEventResponse,
    WebPubSubEventHandler,
    _doctor,
)
from azure.messaging.webpubsubservice.eventhandler.__main__ import main

NO_KEY = "mend: the handler may check signatures: pass its key with --access-key"
WRONG_KEY = "mend: check that the key of --access-key is one of the handler's"
GIVES_UP = "the service does not use this URL"


def examine(capsys, app, *arguments, path="/eventhandler/{hub}/{event}"):
    """Let the doctor examine an application; gives the exit status and the lines, without padding."""
    with waitress_server(app) as (host, port):
        status = main([f"http://{host}:{port}{path}", *arguments])
    return status, [re.sub(r" {2,}", "  ", line).strip() for line in capsys.readouterr().out.splitlines()]


class Rigged:
    """A handler whose answers are made to order: (status, headers, body) by event name."""

    def __init__(self, **answers):
        self.answers = {"validate": (200, [("WebHook-Allowed-Origin", "localhost")], b""), **answers}
        self.requests = []

    def __call__(self, environ, start_response):
        name = environ.get("HTTP_CE_EVENTNAME", "validate")
        self.requests.append((environ["REQUEST_METHOD"], environ["PATH_INFO"], environ))
        status, headers, body = self.answers.get(name, (200, [], b""))
        start_response(f"{status} Answer", [*headers, ("Content-Length", str(len(body)))])
        return [body]


def good_handler(**options):
    options.setdefault("verify_signatures", "access_key" in options)
    handler = WebPubSubEventHandler("chat", allowed_endpoints="localhost", **options)

    @handler.on_connect
    def connect(request):
        return ConnectResponse(user_id="ann", states={"n": 0})

    @handler.on_event
    async def echo(request):
        return UserEventResponse(request.data, states={"n": request.states["n"] + 1})

    return handler


HEALTHY = [
    "ok  handshake  allows localhost",
    "ok  other origins  are refused",
    "ok  connect  accepts the client and sets userId",
    "ok  connected  answers 200",
    "ok  user event, text  sends the client 20 bytes of text",
    "ok  user event, JSON  sends the client 21 bytes of JSON",
    "ok  user event, binary  sends the client 2 bytes of binary",
    "ok  disconnected  answers 200",
]


def test_doctor_finds_nothing_wrong_with_a_good_handler(capsys):
    status, lines = examine(capsys, good_handler(access_key=[OTHER_KEY, KEY]).wsgi_app, "--access-key", KEY)
    assert lines == [*HEALTHY, "ok  forged event  is refused with 401", "the service can use this handler"]
    assert status == 0


def test_doctor_needs_no_key_for_a_handler_without_one(capsys):
    status, lines = examine(capsys, good_handler().wsgi_app)
    assert (status, lines) == (0, [*HEALTHY, "the service can use this handler"])


def test_doctor_gives_the_state_back_as_the_service_does(capsys):
    seen = []
    handler = good_handler()
    handler.on_disconnected(lambda event: seen.append(dict(event.states)))
    examine(capsys, handler.wsgi_app)
    assert seen == [{"n": 3}]


def test_doctor_sends_each_event_as_the_service_does(capsys):
    app = Rigged()
    examine(capsys, app, "--hub", "My_Hub", "--event", "say.it", "--origin", "example.com", "--access-key", KEY)
    assert [(method, path) for method, path, _ in app.requests] == [
        ("OPTIONS", "/eventhandler/My_Hub/validate"),
        ("OPTIONS", "/eventhandler/My_Hub/validate"),
        ("POST", "/eventhandler/My_Hub/connect"),
        ("POST", "/eventhandler/My_Hub/connected"),
        ("POST", "/eventhandler/My_Hub/say.it"),
        ("POST", "/eventhandler/My_Hub/say.it"),
        ("POST", "/eventhandler/My_Hub/say.it"),
        ("POST", "/eventhandler/My_Hub/disconnected"),
        ("POST", "/eventhandler/My_Hub/connected"),
    ]
    events = [environ for method, _, environ in app.requests if method == "POST"]
    assert [event["HTTP_CE_ID"] for event in events] == ["0", "1", "2", "3", "4", "5", "6"]
    assert {event["HTTP_CE_HUB"] for event in events} == {"My_Hub"}
    assert {event["HTTP_WEBHOOK_REQUEST_ORIGIN"] for event in events} == {"example.com"}
    assert len({event["HTTP_CE_CONNECTIONID"] for event in events}) == 1
    assert [event["HTTP_CE_SIGNATURE"].count("sha256=") for event in events] == [2, 2, 2, 2, 2, 2, 1]


def test_doctor_tries_get_where_options_is_not_found(capsys):
    class OnlyGet(Rigged):
        def __call__(self, environ, start_response):
            if environ["REQUEST_METHOD"] == "OPTIONS":
                start_response("404 Not Found", [("Content-Length", "0")])
                return [b""]
            return super().__call__(environ, start_response)

    status, lines = examine(capsys, OnlyGet())
    assert (status, lines[0]) == (0, "ok  handshake  allows localhost")


def validate(status, *values, body=b""):
    return {"validate": (status, [("WebHook-Allowed-Origin", value) for value in values], body)}


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (validate(200, "LocalHost"), ["ok  handshake  allows LocalHost"]),
        (validate(200, "a.example", "localhost:80"), ["ok  handshake  allows a.example, localhost:80"]),
        (validate(200, "a.example,localhost"), ["ok  handshake  allows a.example, localhost"]),
        (
            validate(200),
            [
                f"FAIL  handshake  answers 200 without WebHook-Allowed-Origin: {GIVES_UP}",
                "mend: send the header WebHook-Allowed-Origin: localhost",
            ],
        ),
        (
            validate(200, "a.example\x07"),
            [
                f"FAIL  handshake  allows a.example?, not localhost: {GIVES_UP}",
                "mend: allow 'localhost', or pass the service's host name with --origin",
            ],
        ),
        (
            validate(404, body=b"nothing here"),
            [
                f"FAIL  handshake  answers 404 (nothing here): {GIVES_UP}",
                "mend: check the path: nothing is mounted there",
            ],
        ),
        (
            validate(405),
            [
                f"FAIL  handshake  answers 405: {GIVES_UP}",
                "mend: answer OPTIONS with 200 and WebHook-Allowed-Origin",
            ],
        ),
        (
            {"validate": (307, [("Location", "/eventhandler/")], b"")},
            [
                f"FAIL  handshake  answers 307, a redirect to /eventhandler/: {GIVES_UP}",
                "mend: register the URL it redirects to: often a slash at the end is missing, or one too many",
            ],
        ),
        (
            validate(500),
            [
                f"FAIL  handshake  answers 500: {GIVES_UP}, after up to three repetitions",
                "mend: read the handler's log: its function raised",
            ],
        ),
    ],
)
def test_doctor_judges_the_handshake(capsys, answers, expected):
    status, lines = examine(capsys, Rigged(**answers))
    assert lines[: len(expected)] == expected
    assert status == (0 if expected[0].startswith("ok") else 1)


def test_doctor_names_the_origin_to_allow(capsys):
    status, lines = examine(capsys, good_handler().wsgi_app, "--origin", "my.webpubsub.azure.com")
    refusal = "this origin is not one of the handler's allowed_endpoints"
    assert lines[:2] == [
        f"FAIL  handshake  answers 403 ({refusal}): {GIVES_UP}",
        "mend: allow the origin: WebPubSubEventHandler(..., allowed_endpoints=['my.webpubsub.azure.com'])",
    ]
    assert (status, lines[-1]) == (1, "1 to mend")


def test_doctor_notes_a_handler_that_allows_every_origin(capsys):
    handler = WebPubSubEventHandler("chat", allowed_endpoints="*", verify_signatures=False)
    status, lines = examine(capsys, handler.wsgi_app)
    assert lines[1:3] == [
        "note  other origins  allows every origin: any Web PubSub service can be pointed at this URL",
        "mend: name the endpoints that may use it: allowed_endpoints=[...]",
    ]
    assert status == 0


def judged(capsys, name, answer, *arguments, count=1):
    """What the doctor says of one event whose answer is made to order."""
    subject = {"message": "user event, text"}.get(name, name)
    status, lines = examine(capsys, Rigged(**{name: answer}), *arguments)
    at = next(number for number, line in enumerate(lines) if f"  {subject}  " in line)
    assert status == any(line.startswith("FAIL") for line in lines)
    return lines[at : at + count]


JSON = [("Content-Type", "application/json")]
OPAQUE = "sets a ce-connectionState that is not base64 of a JSON object"
HANDSHAKE_500 = "the client's handshake fails with 500"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((204, [], b""), ["ok  connect  answers 204: accepted as the client's token says"]),
        ((200, [], b""), ["ok  connect  answers 200: accepted as the client's token says"]),
        ((200, JSON, b"null"), ["ok  connect  answers 200: accepted as the client's token says"]),
        ((200, JSON, b"{}"), ["ok  connect  accepts the client and sets nothing"]),
        ((200, [], b'{"userId":"a","groups":["g"]}'), ["ok  connect  accepts the client and sets userId, groups"]),
        (
            (200, JSON, b'{"user_id":"a"}'),
            [
                "note  connect  answers user_id, which the service ignores",
                "mend: it knows userId, groups, roles, subprotocol, mqtt",
                "ok  connect  accepts the client and sets nothing",
            ],
        ),
        (
            (200, JSON, b"OK"),
            [
                f"FAIL  connect  answers a body that is not a JSON object: {HANDSHAKE_500}",
                "mend: answer 204, or 200 with a JSON object of userId, groups, roles, subprotocol",
            ],
        ),
        (
            (200, JSON, b'{"userId":5}'),
            [f"FAIL  connect  answers userId of the wrong type: {HANDSHAKE_500}", "mend: make it a string"],
        ),
        (
            (200, JSON, b'{"roles":[1]}'),
            [f"FAIL  connect  answers roles of the wrong type: {HANDSHAKE_500}", "mend: make it an array of strings"],
        ),
        (
            (403, [], b"members only"),
            [
                "note  connect  rejects the sample client, whose handshake fails with 403 (members only)",
                "mend: right if it is meant; if not: check the access key, --hub, and what on_connect returns",
            ],
        ),
        (
            (401, [], b""),
            ["FAIL  connect  rejects the sample client, whose handshake fails with 401", NO_KEY],
        ),
        (
            (404, [], b""),
            [
                "FAIL  connect  answers 404: the client's handshake fails with 404",
                "mend: check the path: nothing is mounted there",
            ],
        ),
        (
            (422, [], b""),
            ["FAIL  connect  answers 422: the client's handshake fails with 422", "mend: answer 200 or 204"],
        ),
        (
            (500, [], b""),
            [
                "FAIL  connect  answers 500: the client's handshake fails with 500, after up to three repetitions",
                "mend: read the handler's log: its function raised",
            ],
        ),
        (
            (204, [("ce-connectionState", "opaque!")], b""),
            [
                f"note  connect  {OPAQUE}: handlers of the official kind lose it",
                "mend: give the reply states={...}, or encode the state so",
                "ok  connect  answers 204: accepted as the client's token says",
            ],
        ),
        (
            (204, [("ce-connectionState", "e30="), ("ce-connectionState", "e30=")], b""),
            [
                "FAIL  connect  sets ce-connectionState more than once: the last one counts",
                "mend: set it once",
                "ok  connect  answers 204: accepted as the client's token says",
            ],
        ),
    ],
)
def test_doctor_judges_the_answer_to_connect(capsys, answer, expected):
    assert judged(capsys, "connect", answer, count=len(expected)) == expected


FAILED = "a simple client is disconnected, the others get a failed acknowledgement"
EVENT = "user event, text"
KNOWN = "mend: send Content-Type text/plain, application/json, application/octet-stream"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((204, [], b""), ["ok  user event, text  answers 204: no message to the client"]),
        ((200, JSON, b""), ["ok  user event, text  answers 200: no message to the client"]),
        ((200, JSON, b"[1]"), ["ok  user event, text  sends the client 3 bytes of JSON"]),
        (
            (200, [("Content-Type", "Text/Plain; charset=utf-8")], b"hi"),
            ["ok  user event, text  sends the client 2 bytes of text"],
        ),
        (
            (200, JSON, b"hi"),
            ["FAIL  user event, text  answers application/json that is not JSON", "mend: encode the value as JSON"],
        ),
        (
            (200, [], b"hi"),
            [
                f"note  {EVENT}  answers 2 bytes without Content-Type: the client gets them as binary, or as text",
                KNOWN,
            ],
        ),
        (
            (200, [("Content-Type", "text/html")], b"hi"),
            [
                f"FAIL  {EVENT}  answers text/html, which the service does not take: the event counts as failed",
                KNOWN,
            ],
        ),
        (
            (200, [("Content-Type", "application/octet-stream")], bytes(1024 * 1024 + 1)),
            ["FAIL  user event, text  answers a message larger than 1 MiB", "mend: send less in one message"],
        ),
        ((400, [], b"bad"), [f"FAIL  user event, text  answers 400 (bad): {FAILED}", "mend: answer 200 or 204"]),
        ((401, [], b""), [f"FAIL  user event, text  answers 401: {FAILED}", NO_KEY]),
        (
            (500, [], b""),
            [
                f"FAIL  user event, text  answers 500: {FAILED}, after up to three repetitions",
                "mend: read the handler's log: its function raised",
            ],
        ),
    ],
)
def test_doctor_judges_the_answer_to_a_user_event(capsys, answer, expected):
    assert judged(capsys, "message", answer, count=len(expected)) == expected


@pytest.mark.parametrize("name", ["connected", "disconnected"])
def test_doctor_judges_the_answer_to_a_notification(capsys, name):
    unseen = "the service logs it, and your code does not learn of it"
    assert judged(capsys, name, (204, [], b"")) == [f"ok  {name}  answers 204"]
    assert judged(capsys, name, (400, [], b""), count=2) == [
        f"FAIL  {name}  answers 400: {unseen}",
        "mend: answer 200 or 204",
    ]
    answer = judged(capsys, name, (401, [], b""), "--access-key", KEY, count=2)
    assert answer == [f"FAIL  {name}  answers 401: {unseen}", WRONG_KEY]


def test_doctor_finds_a_handler_that_takes_forged_events(capsys):
    status, lines = examine(capsys, good_handler().wsgi_app, "--access-key", KEY)
    assert lines[-3:] == [
        "FAIL  forged event  is accepted with 200: anyone who can reach this URL can send events",
        "mend: check ce-signature: WebPubSubEventHandler(..., access_key=...) or connection_string=...",
        "1 to mend",
    ]
    assert status == 1


def test_doctor_notes_a_forged_event_refused_with_another_status():
    finding = next(_doctor.judge_forged(_doctor.Answer(403, [], b"", 0.0)))
    assert finding == ("note", "forged event", "is refused with 403", "answer 401 to a wrong signature")


def test_doctor_says_that_its_key_is_not_the_handlers(capsys):
    status, lines = examine(capsys, good_handler(access_key=OTHER_KEY).wsgi_app, "--access-key", KEY)
    assert status == 1
    assert lines.count(WRONG_KEY) == 1
    assert KEY not in "".join(lines)


@pytest.mark.parametrize("key", ["secret\udcff", "  "])
def test_doctor_refuses_a_key_that_cannot_sign_and_does_not_show_it(key, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["http://127.0.0.1:1/", "--access-key", key])
    said = capsys.readouterr().err
    assert caught.value.code == 2
    assert "--access-key holds a character that UTF-8 cannot carry, or is blank" in said
    assert "secret" not in said


def test_doctor_says_that_the_hub_is_another(capsys):
    _, lines = examine(capsys, good_handler().wsgi_app, "--hub", "other")
    assert lines[2] == (
        "note  connect  rejects the sample client, whose handshake fails with 400 (this handler serves another hub)"
    )


def test_doctor_shows_a_rejection_of_on_connect(capsys):
    handler = WebPubSubEventHandler("chat", allowed_endpoints="localhost", verify_signatures=False)
    handler.on_connect(lambda event: EventErrorResponse(401, "no\x1b[31m ticket"))
    _, lines = examine(capsys, handler.wsgi_app)
    assert "(no?[31m ticket)" in lines[2]


def test_doctor_notes_answers_that_are_slow_or_too_large():
    slow = _doctor.Answer(200, [], b"", 6.25)
    assert next(_doctor.judge_user_event(slow, "s", signed=True)) == (
        "note",
        "s",
        "takes 6.2 s",
        "answer first, work in the background",
    )
    huge = _doctor.Answer(200, [], bytes(_doctor.LARGEST_ANSWER + 1), 0.0)
    assert (
        next(_doctor.judge_connect(huge, signed=True)).text == "answers more than 16 MiB: the service gives up reading"
    )


def test_doctor_runs_as_a_module():
    command = [sys.executable, "-m", "azure.messaging.webpubsubservice.eventhandler"]
    with waitress_server(good_handler().wsgi_app) as (host, port):
        run = subprocess.run(
            [*command, f"http://{host}:{port}/"], capture_output=True, text=True, timeout=60, check=False
        )
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.splitlines()[0] == "ok    handshake            allows localhost"


def test_doctor_says_that_nothing_listens(capsys):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert main([f"http://127.0.0.1:{port}/"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("FAIL  connection           no answer: ")
    assert lines[1].strip() == "mend: start the handler, and check host and port"


def test_doctor_says_that_no_answer_comes(capsys):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert main([f"http://127.0.0.1:{listener.getsockname()[1]}/", "--timeout", "0.1"]) == 1
    assert "mend: answer sooner, or give it more time with --timeout" in capsys.readouterr().out


def test_doctor_says_that_the_peer_does_not_speak_http(capsys):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer():
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"SSH-2.0-x\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        assert main([f"http://127.0.0.1:{listener.getsockname()[1]}/", "--timeout", "10"]) == 1
        thread.join(10)
    assert "mend: check that an HTTP server listens there, and whether the scheme is http" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["ftp://a/"], ["http://"], ["http://a:99999999/"], ["http://a/", "--origin", "a b"], []]
)
def test_doctor_refuses_arguments_it_cannot_use(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: python -m azure.messaging.webpubsubservice.eventhandler" in capsys.readouterr().err


def test_misspelt_option_does_not_show_its_value(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["http://a/", "--acess-key", "secret", "--accesskey=secret"])
    assert caught.value.code == 2
    message = capsys.readouterr().err
    assert "there is no argument --acess-key ... --accesskey" in message
    assert "secret" not in message
