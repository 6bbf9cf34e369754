"""What an error says beside the service's words: what its reader would have to guess."""

import time
from email.utils import formatdate

import pytest
from azure.core import exceptions as core
from azure.core.credentials import AzureKeyCredential
from azure.core.rest import HttpRequest
from local_servers import answer

from azure.messaging.webpubsubservice.emulator import RestFault

KEY = AzureKeyCredential("a-key")


def failed(client, error=core.HttpResponseError):
    with pytest.raises(error) as caught:
        client.send_to_all("hello")
    return str(caught.value)


@pytest.mark.parametrize(
    ("shift", "words"),
    [(-3600, "ahead of the service's"), (3600, "behind the service's"), (-70, "70 s ahead"), (90, "90 s behind")],
)
def test_401_tells_the_difference_of_the_clocks(shift, words, connect, recorder):
    recorder.respond = lambda _: answer("401 Unauthorized", Date=formatdate(time.time() + shift, usegmt=True))
    text = failed(connect(recorder.url, KEY, hub="chat"), core.ClientAuthenticationError)
    assert "The clock of this machine is " in text
    # A second may pass between the two looks at the clock.
    assert words in text.replace("71 s", "70 s").replace("89 s", "90 s")
    assert "access key" not in text


@pytest.mark.parametrize(
    "date", [None, "yesterday", "", "Fri, 99 Zzz 0000 99:99:99 GMT", "Mon, 01 Jan 0001 00:00:00 GMT"]
)
def test_401_with_no_usable_date_tells_to_check_the_key(date, connect, recorder):
    recorder.respond = answer("401 Unauthorized", **({} if date is None else {"Date": date}))
    text = failed(connect(recorder.url, KEY, hub="chat"), core.ClientAuthenticationError)
    assert "Check that the access key belongs to this endpoint and was not regenerated" in text or "clock" in text


def test_401_with_clocks_in_step_tells_to_check_the_key(connect, service, hub):
    client = connect(service.endpoint, AzureKeyCredential("x" * 44), hub=hub)
    text = failed(client, core.ClientAuthenticationError)
    assert "Check that the access key belongs to this endpoint and was not regenerated" in text
    assert "clock" not in text


def test_401_of_the_emulator_with_another_clock_tells_the_difference(connect):
    from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator

    with WebPubSubEmulator() as emulator:
        emulator.clock.advance(2 * 3600)
        text = failed(connect(emulator.endpoint, AzureKeyCredential(emulator.access_key), hub="chat"))
    assert "s behind the service's" in text
    assert any(f"is {seconds} s" in text for seconds in range(7190, 7210))


def test_403_names_the_role_of_an_identity(connect, colour, recorder):
    recorder.respond = answer("403 Forbidden")
    text = failed(connect(recorder.url, colour.token_credential(), hub="chat"))
    assert "Web PubSub Service Owner" in text
    assert "Web PubSub Service Reader" in text
    text = failed(connect(recorder.url, KEY, hub="chat"))
    assert "The resource may not take access keys" in text
    assert "Web PubSub Service" not in text


def test_401_shows_the_services_own_words_and_what_the_credential_was(connect, colour, recorder):
    recorder.respond = answer("401 Unauthorized", WWW_Authenticate='Bearer error="invalid_token"')
    for credential, hint, other in (
        (KEY, "Check that the access key belongs to this endpoint", "identity"),
        (colour.token_credential(), "Check that the identity is of the resource's tenant", "access key"),
    ):
        text = failed(connect(recorder.url, credential, hub="chat"), core.ClientAuthenticationError)
        assert 'The service says: Bearer error="invalid_token"' in text
        assert hint in text
        assert other not in text


def test_404_of_a_proxy_is_told_from_the_services(connect, recorder):
    recorder.respond = lambda request: answer("404 Not Found", body=b"nginx" if request.method == "POST" else b"")
    client = connect(recorder.url, KEY, hub="chat")
    assert "this is not from Azure Web PubSub: check the endpoint" in failed(client, core.ResourceNotFoundError)
    with pytest.raises(core.ResourceNotFoundError, match="is not from Azure Web PubSub"):
        client.user_exists("ada")
    recorder.respond = answer("404 Not Found", x_ms_error_code="Warning.User.NotExisted")
    assert client.user_exists("ada") is False
    text = failed(client, core.ResourceNotFoundError)
    assert "not from Azure Web PubSub" not in text
    assert "Code: Warning.User.NotExisted" in text


def test_413_names_the_limit(connect, recorder):
    recorder.respond = answer("413 Payload Too Large")
    assert "The service takes messages of up to 1 MB" in failed(connect(recorder.url, KEY, hub="chat"))


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"Retry_After": "60"}, "The service is throttling (Retry-After: 60)."),
        ({"Retry_After": "Fri, 31 Dec 9999 23:59:59 GMT"}, "(Retry-After: Fri, 31 Dec 9999 23:59:59 GMT)."),
        ({}, "The service is throttling."),
    ],
)
def test_429_tells_the_delay(headers, words, connect, recorder):
    recorder.respond = answer("429 Too Many Requests", **headers)
    assert words in failed(connect(recorder.url, KEY, hub="chat", retry_total=0))


def test_error_code_of_the_header_stands_in_for_a_missing_body(connect, recorder):
    recorder.respond = answer("409 Conflict", x_ms_error_code="Some.Code")
    client = connect(recorder.url, KEY, hub="chat")
    with pytest.raises(core.ResourceExistsError) as caught:
        client.send_to_all("hello")
    assert caught.value.error.code == "Some.Code"


@pytest.mark.parametrize(
    ("operation", "arguments", "words"),
    [
        ("send_to_group", ("a/b", "hi"), r"group 'a/b' cannot be addressed.*in groups"),
        ("send_to_user", ("a/b", "hi"), r"user_id 'a/b' cannot be addressed.*userId eq"),
        ("send_to_connection", ("..", "hi"), r"connection_id '\.\.' cannot be addressed.*connectionId eq"),
    ],
)
def test_name_that_no_path_can_carry_is_refused_with_the_way_round(operation, arguments, words, client):
    with pytest.raises(ValueError, match=words):
        getattr(client, operation)(*arguments)


def test_hints_are_in_raise_for_status_too(connect, service, hub):
    service.inject(RestFault(path=f"/api/hubs/{hub}/*", status=403))
    client = connect(service.endpoint, AzureKeyCredential(service.access_key), hub=hub)
    response = client.send_request(HttpRequest("GET", f"/api/hubs/{hub}/users/ada"))
    with pytest.raises(core.HttpResponseError, match="The resource may not take access keys"):
        response.raise_for_status()
