"""What an attempt is made of: options, bodies, redirects, and what the error tells of the attempts."""

import io
import pickle
import tempfile

import pytest
from azure.core import exceptions as core
from azure.core.credentials import AzureKeyCredential
from azure.core.pipeline.policies import RetryPolicy
from azure.core.rest import HttpRequest
from local_servers import ACCEPTED, OK, answer, refused_port

from azure.messaging.webpubsubservice.rest import build_send_to_all_request, build_user_exists_request

KEY = AzureKeyCredential("a-key")
TOO_MANY = answer("429 Too Many Requests", Retry_After="0")
QUICK = {"retry_backoff_factor": 0.001}


def first(*replies, then=ACCEPTED):
    """Answer with each in turn, and from then on with the last."""
    left = list(replies)
    return lambda _: left.pop(0) if left else then


@pytest.mark.parametrize("stream", [io.BytesIO(b"..hello"), io.StringIO("..hello")], ids=["binary", "text"])
def test_stream_is_sent_again_from_where_it_stood_and_left_there(stream, connect, recorder):
    recorder.respond = first(TOO_MANY, TOO_MANY)
    stream.seek(2)
    client = connect(recorder.url, KEY, hub="chat")
    request = HttpRequest("POST", "/api/hubs/chat/:send", content=stream)
    for _ in range(2):
        assert client.send_request(request).status_code == 202
    assert [each.body for each in recorder.requests] == [b"hello"] * 4
    assert [dict(each.headers)["content-length"] for each in recorder.requests] == ["5"] * 4
    assert stream.tell() == 2
    assert "Content-Length" not in request.headers


class Unseekable(io.RawIOBase):
    def __init__(self, data):
        self._data = io.BytesIO(data)

    def readable(self):
        return True

    def readinto(self, buffer):
        return self._data.readinto(buffer)


def pieces():
    yield b"he"
    yield "llo"


@pytest.mark.parametrize("make", [lambda: Unseekable(b"hello"), pieces, lambda: bytearray(b"hello")])
def test_body_that_can_be_read_once_is_sent_whole_in_each_attempt(make, connect, recorder):
    recorder.respond = first(TOO_MANY)
    client = connect(recorder.url, KEY, hub="chat")
    client.send_request(HttpRequest("POST", "/x", content=make()))
    assert [each.body for each in recorder.requests] == [b"hello", b"hello"]
    assert all("transfer-encoding" not in dict(each.headers) for each in recorder.requests)


def test_asynchronous_body_is_sent_once(colour, connect, recorder):
    async def asynchronous():
        yield b"hello"

    recorder.respond = TOO_MANY
    client = connect(recorder.url, KEY, hub="chat")
    request = HttpRequest("POST", "/x", content=asynchronous())
    if colour.name == "sync":
        with pytest.raises(TypeError, match="async iterable"):
            client.send_request(request)
        return
    assert client.send_request(request).status_code == 429
    assert [each.body for each in recorder.requests] == [b"hello"]


class Asynchronous:
    async def read(self, size=-1):
        return b"hello"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (Asynchronous(), "the body is an asynchronous stream: read it first"),
        ([1, 2], "a body is bytes, str"),
    ],
)
def test_body_that_cannot_be_sent_is_refused_before_anything_is(content, words, connect, recorder):
    client = connect(recorder.url, KEY, hub="chat")
    with pytest.raises(TypeError, match=words):
        client.send_request(HttpRequest("POST", "/x", content=content))
    assert recorder.requests == []


@pytest.mark.parametrize("request_", [None, "x", object(), {"url": "/x"}])
def test_what_is_no_request_is_refused(request_, connect, recorder):
    client = connect(recorder.url, KEY)
    with pytest.raises(TypeError, match="request"):
        client.send_request(request_)


LIMIT = 1024 * 1024


def message_of(form, size):
    if form == "iterable":
        return (b"x" * 1000 for _ in range(size // 1000 + 1))
    if form == "endless":
        return iter(lambda: b"x" * 1000, None)
    if form == "file":
        file = tempfile.TemporaryFile()  # noqa: SIM115  # the test closes it
        file.truncate(size)
        return file
    return {"bytes": b"x" * size, "str": "x" * size, "bytearray": bytearray(size)}[form]


@pytest.mark.parametrize("form", ["bytes", "str", "bytearray", "file", "iterable", "endless"])
def test_body_above_the_limit_is_refused_before_it_is_sent(form, connect, recorder):
    client = connect(recorder.url, KEY, hub="chat")
    content = message_of(form, LIMIT + 1)
    with pytest.raises(ValueError, match=r"bytes or more, above the 1048576 that the service takes in one message"):
        client.send_request(HttpRequest("POST", "/api/hubs/chat/:send", content=content))
    if form == "file":
        assert content.tell() == 0
        content.close()
    assert recorder.requests == []


def test_message_of_exactly_the_limit_is_sent(connect, recorder):
    client = connect(recorder.url, KEY, hub="chat")
    client.send_to_all(b"x" * LIMIT)
    with pytest.raises(ValueError, match="above the 1048576"):
        client.send_to_all(b"x" * (LIMIT + 1))
    assert len(recorder.requests) == 1


@pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")  # aiohttp's
def test_limit_can_be_changed_for_the_client_and_for_the_call(connect, recorder):
    client = connect(recorder.url, KEY, hub="chat", max_message_size=10)
    with pytest.raises(ValueError, match="11 bytes or more, above the 10"):
        client.send_to_all(b"x" * 11)
    client.send_to_all(b"x" * 11, max_message_size=11)
    client.send_to_all(b"x" * (LIMIT + 1), max_message_size=None)
    client = connect(recorder.url, KEY, hub="chat", max_message_size=None)
    client.send_to_all(b"x" * (LIMIT + 1))
    with pytest.raises(ValueError, match="above the 3"):
        client.send_to_all(b"four", max_message_size=3)
    with pytest.raises(TypeError, match="max_message_size must be a number, not str"):
        client.send_to_all(b"four", max_message_size="3")
    assert [len(each.body) for each in recorder.requests] == [11, LIMIT + 1, LIMIT + 1]


def test_limit_is_not_for_other_servers(connect, recorder):
    client = connect("http://127.0.0.1:1", KEY, max_message_size=3)
    client.send_request(HttpRequest("POST", f"{recorder.url}/elsewhere", content=b"four"))
    assert [each.body for each in recorder.requests] == [b"four"]


def test_options_of_a_call_hold_for_each_attempt(connect, recorder):
    seen = []
    recorder.respond = first(TOO_MANY, answer("307 Temporary Redirect", Location=f"{recorder.url}/elsewhere"))
    client = connect(recorder.url, KEY, hub="chat")
    response = client.send_request(
        build_send_to_all_request("chat", json=1),
        permit_redirects=False,
        raw_request_hook=lambda request: seen.append(request.http_request.method),
        raw_response_hook=lambda response: seen.append(response.http_response.status_code),
    )
    assert response.status_code == 307
    assert seen == ["POST", 429, "POST", 307]


def test_each_attempt_is_signed_and_numbered(connect, recorder):
    counts = []
    recorder.respond = first(TOO_MANY, TOO_MANY)
    client = connect(recorder.url, KEY, hub="chat")
    client.send_to_all("hello", raw_request_hook=lambda request: counts.append(request.context["retry_count"]))
    assert counts == [0, 1, 2]
    assert all(dict(each.headers)["authorization"].startswith("Bearer ") for each in recorder.requests)


def test_retry_after_a_redirect_goes_where_the_redirect_led(connect, recorder):
    there = first(TOO_MANY)
    recorder.respond = lambda request: (
        there(request) if request.target == "/there" else answer("307 X", Location="/there")
    )
    client = connect(recorder.url, KEY, hub="chat")
    assert client.send_request(build_send_to_all_request("chat", json=1)).status_code == 202
    assert [(each.target, each.body) for each in recorder.requests[1:]] == [("/there", b"1")] * 2


def test_see_other_makes_a_get_which_is_repeated_but_never_the_send_again(connect, recorder):
    replies = first(answer("303 See Other", Location="/seen"), answer("500 Oh"), then=OK)
    recorder.respond = replies
    client = connect(recorder.url, KEY, hub="chat")
    assert client.send_request(build_send_to_all_request("chat", json=1)).status_code == 200
    assert [each.method for each in recorder.requests] == ["POST", "GET", "GET"]


@pytest.mark.parametrize("options", [{"retry_total": 0}, {"retry_status": 0}], ids=str)
@pytest.mark.parametrize("per_call", [False, True])
def test_retries_can_be_turned_off(options, per_call, connect, recorder):
    recorder.respond = TOO_MANY
    of_client, of_call = ({}, options) if per_call else (options, {})
    client = connect(recorder.url, KEY, hub="chat", **of_client)
    with pytest.raises(core.HttpResponseError):
        client.send_to_all("hello", **of_call)
    assert len(recorder.requests) == 1
    with pytest.raises(core.HttpResponseError):
        client.remove_user_from_all_groups("ada", **of_call)
    assert len(recorder.requests) == 2


def test_retry_on_methods_may_name_post(connect, recorder):
    recorder.respond = first(answer("500 Oh"))
    client = connect(recorder.url, KEY, hub="chat")
    client.send_to_all("hello", retry_on_methods=["POST"])
    assert len(recorder.requests) == 2


def test_retry_sends_of_a_call_wins_over_the_clients(connect, recorder):
    recorder.respond = first(answer("500 Oh"))
    client = connect(recorder.url, KEY, hub="chat", retry_sends=True)
    with pytest.raises(core.HttpResponseError):
        client.send_to_all("hello", retry_sends=False)
    assert len(recorder.requests) == 1
    client.send_to_all("hello")


@pytest.mark.parametrize("streamed", [False, True])
def test_raise_for_status_tells_attempts_and_hint(streamed, colour, connect, recorder):
    recorder.respond = TOO_MANY
    client = connect(recorder.url, KEY, hub="chat")
    response = client.send_request(build_send_to_all_request("chat", json=1), stream=streamed)
    with pytest.raises(core.HttpResponseError) as caught:
        response.raise_for_status()
    colour.run(response.close())
    assert caught.value.response is response
    assert caught.value.status_code == 429
    assert "\nThe service is throttling (Retry-After: 0).\n4 attempts in 0." in str(caught.value)
    assert "429 after 0.0 s, 429 after" in str(caught.value)


def test_raise_for_status_of_a_success_does_nothing_after_a_retry(connect, recorder):
    recorder.respond = first(TOO_MANY)
    client = connect(recorder.url, KEY, hub="chat")
    response = client.send_request(build_send_to_all_request("chat", json=1))
    response.raise_for_status()
    assert response.status_code == 202


def test_failed_response_can_still_be_pickled(connect, recorder):
    recorder.respond = answer("500 Oh", body=b"broken")
    client = connect(recorder.url, KEY, hub="chat")
    response = client.send_request(HttpRequest("POST", "/x", content=b"x"))
    response = pickle.loads(pickle.dumps(response))
    with pytest.raises(core.HttpResponseError, match=r"500 Oh\n1 attempt: 500 after"):
        response.raise_for_status()


def test_error_tells_each_attempt_of_a_mixed_lot(connect, recorder):
    recorder.respond = first(TOO_MANY, None, answer("500 Oh"), then=answer("404 Not Found"))
    client = connect(recorder.url, KEY, hub="chat")
    with pytest.raises(core.ResourceNotFoundError) as caught:
        client.send_to_all("hello", retry_sends=True, **QUICK)
    assert "\n4 attempts in 0." in str(caught.value)
    assert [part.split(" after ")[0] for part in str(caught.value).rpartition(" s: ")[2].split(", ")] == [
        "429",
        "no answer",
        "500",
        "404",
    ]


def test_error_that_names_no_attempts_has_the_words_of_the_service_alone(connect, recorder):
    recorder.respond = answer("400 Bad Request", body=b'{"code": "Bad", "message": "No."}')
    client = connect(recorder.url, KEY, hub="chat")
    with pytest.raises(core.HttpResponseError) as caught:
        client.send_to_all("hello")
    assert caught.value.error.code == "Bad"
    assert "attempt" not in str(caught.value)


def test_history_of_azure_core_is_there(connect, recorder):
    recorder.respond = first(TOO_MANY, TOO_MANY)
    client = connect(recorder.url, KEY, hub="chat")
    histories = client.send_to_all("hello", cls=lambda response, *_: response.context["history"])
    assert [each.http_response.status_code for each in histories] == [429, 429]


def test_own_retry_policy_takes_the_place_of_ours(colour, connect, recorder):
    from azure.core.pipeline.policies import AsyncRetryPolicy

    recorder.respond = first(answer("500 Oh"))
    policy = (RetryPolicy if colour.name == "sync" else AsyncRetryPolicy)()
    connect(recorder.url, KEY, hub="chat", retry_policy=policy).send_to_all("hello")
    assert len(recorder.requests) == 2  # azure-core repeats sends


def test_credential_that_fails_is_asked_once(colour, connect, recorder):
    credential = colour.token_credential()
    asked = []

    def fail(*scopes, **_):
        asked.append(scopes)
        raise core.ClientAuthenticationError("no token for you")

    async def fail_later(*scopes, **_):
        fail(*scopes)

    credential.get_token = fail if colour.name == "sync" else fail_later
    client = connect(recorder.url, credential, hub="chat")
    with pytest.raises(core.ClientAuthenticationError, match=r"^no token for you\Z"):
        client.send_to_all("hello")
    assert len(asked) == 1
    assert recorder.requests == []


def test_refused_connection_tells_what_to_look_at(connect):
    port = refused_port()
    client = connect(f"http://127.0.0.1:{port}", KEY, hub="chat", retry_total=0)
    with pytest.raises(core.ServiceRequestError) as caught:
        client.send_request(build_user_exists_request("chat", "ada"))
    assert "127.0.0.1" in str(caught.value)  # in a URL, or as the caller's own transport puts it
    assert str(port) in str(caught.value)
    assert str(caught.value).endswith(
        "\n1 attempt: no connection after 0.0 s\nNothing listens on this port of this machine: is the emulator running?"
    )
