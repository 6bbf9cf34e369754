"""Errors that travel between processes, credentials that take too long, proxies that refuse, odd names of a system."""

import asyncio
import concurrent.futures
import multiprocessing
import pickle
import platform
import threading
import time
import traceback

import pytest
from azure.core import exceptions
from azure.core.credentials import AccessToken, AzureKeyCredential
from azure.core.rest import HttpRequest
from colours import headers_of
from local_servers import ForwardProxy, answer, refused_port

KEY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"
FLAT = b'{"code": "Error.BadRequest", "message": "so not"}'


def failing(status, **headers):
    return answer(status, FLAT, Content_Type="application/json", **headers)


ANSWERS = {
    "ClientAuthenticationError": failing("401 Unauthorized", WWW_Authenticate="Bearer error=x"),
    "ResourceNotFoundError": failing("404 Not Found", x_ms_error_code="Error.BadRequest"),
    "ResourceExistsError": failing("409 Conflict"),
    "HttpResponseError": failing("429 Too Many Requests"),
    "IncompleteReadError": lambda _: iter([b"HTTP/1.1 202 A\r\nContent-Length: 9\r\n\r\nhalf"]),
    "ServiceResponseError": None,
    "ServiceResponseTimeoutError": None,
    "ServiceRequestError": None,
}


def error_of(name, connect, recorder):
    """Make the client raise the error of a name."""
    options = {"hub": "chat", "retry_total": 0}
    if name == "ServiceRequestError":
        client = connect(f"http://127.0.0.1:{refused_port()}", AzureKeyCredential(KEY), **options)
    else:
        recorder.respond = ANSWERS[name]
        client = connect(recorder.url, AzureKeyCredential(KEY), **options)
    gone_on = threading.Event()
    if name == "ServiceResponseTimeoutError":
        recorder.respond = lambda _: gone_on.wait(20) and None
        options = {"read_timeout": 0.1}
    try:
        client.send_to_all("x", **({"read_timeout": 0.1} if name == "ServiceResponseTimeoutError" else {}))
    except exceptions.AzureError as error:
        return error
    finally:
        gone_on.set()
    raise AssertionError("there was no error")


@pytest.mark.parametrize("name", ANSWERS)
def test_error_can_be_pickled_and_holds_no_token_then(connect, recorder, name):
    error = error_of(name, connect, recorder)
    assert type(error).__name__ == name
    data = pickle.dumps(error)
    assert b"Bearer ey" not in data
    copied = pickle.loads(data)
    assert (type(copied), str(copied), copied.args) == (type(error), str(error), error.args)
    assert copied.message == error.message
    assert copied.exc_traceback is None
    if name in ("ClientAuthenticationError", "ResourceNotFoundError", "ResourceExistsError", "HttpResponseError"):
        assert (copied.status_code, copied.error.code, copied.error.message) == (
            error.status_code,
            "Error.BadRequest",
            "so not",
        )
        assert copied.response.json()["message"] == "so not"
        assert copied.response.headers == error.response.headers
        assert "Authorization" in error.response.request.headers
        assert copied.response.request.url == error.response.request.url


def fail_in_worker(url):
    from azure.messaging.webpubsubservice import WebPubSubServiceClient

    with WebPubSubServiceClient(url, AzureKeyCredential(KEY), hub="chat", retry_total=0) as client:
        client.send_to_all("x")


def test_error_of_a_worker_process_arrives_as_it_was(recorder):
    recorder.respond = ANSWERS["ResourceExistsError"]
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        with pytest.raises(exceptions.ResourceExistsError, match=r"Error\.BadRequest") as caught:
            pool.submit(fail_in_worker, recorder.url).result(timeout=60)
        assert caught.value.status_code == 409


# Credentials


class Slow:
    """A credential that waits until the test lets it go on, or for a time."""

    def __init__(self, seconds=20):
        self.seconds = seconds
        self.is_over = threading.Event()
        self.cancelled = False

    def get_token(self, *_, **__):
        self.is_over.wait(self.seconds)
        return AccessToken("t", int(time.time()) + 3600)

    def close(self):
        pass


class SlowAsync(Slow):
    async def get_token(self, *_, **__):
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return AccessToken("t", int(time.time()) + 3600)

    async def close(self):
        pass

    async def __aexit__(self, *_):
        pass


def test_slow_credential_is_named_and_nothing_is_sent(connect, colour, recorder):
    # The synchronous client cannot interrupt the credential's thread, and says afterwards who took the time.
    credential = Slow(0.3) if colour.name == "sync" else SlowAsync()
    client = connect(recorder.url, credential, hub="chat")
    with pytest.raises(exceptions.ServiceRequestTimeoutError, match=r"Slow(Async)? took \d+\.\d s to get a token"):
        client.send_to_all("x", timeout=0.2)
    assert recorder.requests == []
    assert credential.cancelled == (colour.name == "aio")


def test_credential_that_is_quick_enough_is_used_and_its_own_errors_are_its_own(connect, colour, recorder):
    class Late(Slow if colour.name == "sync" else SlowAsync):
        def get_token(self, *_, **__):
            raise asyncio.TimeoutError("the identity's own")

    client = connect(recorder.url, (Slow if colour.name == "sync" else SlowAsync)(0.01), hub="chat")
    client.send_to_all("x")
    assert headers_of(recorder.requests[0])["authorization"] == "Bearer t"
    if colour.name == "sync":  # in the other client it is the wait for an awaitable that must tell them apart
        with pytest.raises(asyncio.TimeoutError, match="the identity's own"):
            connect(recorder.url, Late(), hub="chat").send_to_all("x")


def test_challenge_that_asks_for_claims_is_bounded_too(colour, recorder):
    if colour.name == "sync":
        pytest.skip("the synchronous client cannot interrupt a credential")
    credential = SlowAsync(0)

    def respond(_):
        credential.seconds = 20
        return answer("401 U", WWW_Authenticate='Bearer error="insufficient_claims", claims="e30="')

    recorder.respond = respond
    client = colour.client_class(recorder.url, credential, hub="chat")
    with pytest.raises(exceptions.ServiceRequestTimeoutError, match="SlowAsync took"):
        colour.run(client.send_to_all("x", timeout=0.3))
    colour.run(client.close())
    assert len(recorder.requests) == 1


# Proxies


def test_proxy_that_refuses_the_password_is_asked_once(colour):
    with ForwardProxy(credentials="Basic nobody") as proxy:
        client = colour.client_class(
            "https://name.webpubsub.azure.com",
            AzureKeyCredential(KEY),
            hub="chat",
            transport=colour.azure_transport(),
            proxies={"https": proxy.url.replace("://", "://ada:secret@")},
        )
        with pytest.raises(
            exceptions.ClientAuthenticationError, match="proxy wants a user name and a password"
        ) as caught:
            colour.run(client.send_to_all("x"))
        colour.run(client.close())
        assert len(proxy.seen) == 1
        assert "secret" not in "".join(traceback.format_exception(caught.value))


# The User-Agent


@pytest.mark.parametrize("system", ["Linux-6.1-\u5b57-x86_64", "Linux-Zoë"])
def test_name_of_the_system_does_not_break_the_user_agent(connect, recorder, monkeypatch, system):
    monkeypatch.setattr(platform, "platform", lambda *_, **__: system)
    client = connect(recorder.url, AzureKeyCredential(KEY), hub="chat")
    client.send_to_all("x")
    client.send_request(HttpRequest("GET", "/x"), user_agent="mine/1")
    first, second = (headers_of(each)["user-agent"] for each in recorder.requests)
    shown = system.replace("\u5b57", "?").replace("ë", "?")
    assert first.startswith("azsdk-python-messaging-webpubsubservice/")
    assert first.endswith(f"({shown})")
    assert second == f"mine/1 {first}"
