"""Any text for names, filters, endpoints and connection strings: understood exactly, or refused as documented."""

import os
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msrest.exceptions import ValidationError

from azure.messaging.webpubsubservice import WebPubSubServiceClient, build_authentication_token
from azure.messaging.webpubsubservice._endpoint import Endpoint
from azure.messaging.webpubsubservice._tokens import rest_token
from azure.messaging.webpubsubservice.emulator.hub._events import Open, Publish
from azure.messaging.webpubsubservice.emulator.hub._filter import parse_filter
from azure.messaging.webpubsubservice.emulator.hub._hub import Hub
from azure.messaging.webpubsubservice.emulator.rest._origin import Origin
from azure.messaging.webpubsubservice.emulator.rest._requests import RestRequest
from azure.messaging.webpubsubservice.emulator.rest._routes import Routes
from azure.messaging.webpubsubservice.emulator.rest._tokens import Tokens
from azure.messaging.webpubsubservice.filters import odata
from azure.messaging.webpubsubservice.rest import (
    build_add_user_to_group_request,
    build_send_to_connection_request,
    build_send_to_group_request,
    build_send_to_user_request,
)

FUZZ_FACTOR = int(os.environ.get("FUZZ_FACTOR", "1"))  # tests/benchmarks/fuzz.py sets it
KEY = "K" * 44
CANARY = "CanaryKey0123456789"
NOW = 1_800_000_000
HOST = "name.webpubsub.azure.com"
ENDPOINT = Endpoint(f"https://{HOST}")

names = st.text(min_size=1, max_size=30) | st.text(
    "%2F/.\\?#&=+ ;:@'\"\u00df\u0130\u2028\U0001f600", min_size=1, max_size=8
)


def ask(request, hub=None):
    """Give a request to the emulator's routes, signed as the client signs it, and return the outcome."""
    url = ENDPOINT.join(request.url)
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    headers = [("authorization", f"Bearer {rest_token(url, KEY, user=None, now=NOW)}")]
    headers += [(name.lower(), value) for name, value in request.headers.items()]
    hub = hub or Hub("chat")
    routes = Routes(Tokens([KEY], clock_skew=0, accept_entra=False), lambda _: hub)
    return routes.handle(
        RestRequest(request.method, target, tuple(headers), request.content), Origin("https", HOST, [HOST]), float(NOW)
    )


@pytest.mark.parametrize(
    ("build", "attribute"),
    [
        (build_send_to_group_request, "group"),
        (build_send_to_user_request, "user_id"),
        (build_send_to_connection_request, "connection_id"),
    ],
    ids=["group", "user", "connection"],
)
@settings(max_examples=60 * FUZZ_FACTOR)
@given(name=names)
def test_name_is_refused_or_reaches_the_service_as_it_is(build, attribute, name):
    try:
        request = build("chat", name, content=b"x", content_type="application/octet-stream")
    except (ValueError, ValidationError):
        return
    outcome = ask(request)
    assert isinstance(outcome.event, Publish), outcome
    assert getattr(outcome.event.audience, attribute) == name
    assert outcome.hub == "chat"


@settings(max_examples=40 * FUZZ_FACTOR)
@given(group=names, user=names)
def test_two_names_keep_their_places(group, user):
    try:
        request = build_add_user_to_group_request("chat", group, user)
    except (ValueError, ValidationError):
        return
    hub = Hub("chat")
    hub.handle(Open("c1", user_id=user), float(NOW))  # the service knows no user without connections
    outcome = ask(request, hub)
    assert (outcome.event.audience.user_id, list(outcome.event.groups)) == (user, [group])


@settings(max_examples=40 * FUZZ_FACTOR)
@given(excluded=st.lists(st.text(min_size=1, max_size=8), max_size=4), ttl=st.none() | st.integers(0, 300))
def test_query_values_arrive_as_they_are(excluded, ttl):
    try:
        request = build_send_to_group_request(
            "chat", "room", content=b"x", content_type="text/plain", excluded=excluded, message_ttl_seconds=ttl
        )
    except (ValueError, ValidationError):
        return
    event = ask(request).event
    assert event.audience.excluded == frozenset(excluded)
    assert event.ttl_seconds == (ttl or 0)


@dataclass
class Subject:
    user_id: str | None
    connection_id: str = "c"
    groups: list = field(default_factory=list)
    protocol: str | None = None


@settings(max_examples=60 * FUZZ_FACTOR)
@given(value=st.text(max_size=20) | st.text("'%{}() eqor", max_size=12), other=st.text(max_size=20))
def test_filter_of_a_value_parses_and_matches_that_value_alone(value, other):
    """The text of a filter is data: whatever it holds, it chooses its own user and no other."""
    try:
        text = odata("userId eq {user}", user=value)
    except ValueError:
        return
    chosen = parse_filter(text)
    assert chosen.matches(Subject(value))
    assert chosen.matches(Subject(other)) == (value == other)
    assert not chosen.matches(Subject(None))
    grouped = parse_filter(odata("{room} in groups and userId ne {user}", room=value, user=other))
    assert grouped.matches(Subject("someone else entirely, with a long name", groups=[value]))
    assert not grouped.matches(Subject(other, groups=[value]))
    assert not grouped.matches(Subject("someone", groups=[value + "x"]))


@settings(max_examples=40 * FUZZ_FACTOR)
@given(number=st.integers(-(2**31) + 1, 2**31 - 1), size=st.integers(0, 30))
def test_number_in_a_filter_is_that_number(number, size):
    chosen = parse_filter(odata("length(userId) gt {number}", number=number))
    assert chosen.matches(Subject("x" * size)) == (size > number)


MARKS = st.sampled_from(
    [";", "=", "://", ":", "/", "?", "#", "@", "[", "]", " ", "\t", "\r\n", "\x00", "%", "\u2100", "\u203c"]
)
WORDS = st.sampled_from(
    ["Endpoint=", "https", "http", "AccessKey=", "Version=1.0", "Port=", "443", "99999", HOST, CANARY]
)
texts = st.lists(MARKS | WORDS | st.text(max_size=3), max_size=12).map("".join)


def chain(error):
    """Yield an error and all that led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def refusal(make):
    """Return the one kind of error that is documented; None for none."""
    try:
        make()
    except ValueError as error:
        return error
    return None


# Not strict: whether such a text is drawn is chance.


@settings(max_examples=80 * FUZZ_FACTOR)
@given(text=texts)
def test_connection_string_is_understood_or_refused_without_a_look_at_the_key(text):
    for make in (
        lambda: WebPubSubServiceClient.from_connection_string(text),
        lambda: build_authentication_token(text, "chat", ttl=timedelta(minutes=5)),
        lambda: Endpoint(text),
    ):
        for each in chain(refusal(make)):
            assert CANARY.lower() not in f"{each!r} {each} {each.args}".lower()


@settings(max_examples=80 * FUZZ_FACTOR)
@given(key=st.text("".join(map(chr, range(33, 127))), min_size=1, max_size=50).filter(lambda key: ";" not in key))
def test_connection_string_gives_the_key_as_it_is(key):
    client = WebPubSubServiceClient.from_connection_string(
        f" endpoint = https://{HOST}/ ; accessKEY={key} ;;Version=1.0"
    )
    assert (client.endpoint, client._config.access_key()) == (f"https://{HOST}", key)


@settings(max_examples=80 * FUZZ_FACTOR)
@given(url=texts | texts.map(lambda text: f"https://{HOST}{text}"))
def test_url_below_the_endpoint_has_its_host_and_no_other_is_below(url):
    """What an Endpoint calls its own gets the token, so nothing else may pass."""
    below = ENDPOINT.below(url)
    if below is None:
        return
    parts = urlsplit(url.strip())
    assert (parts.scheme, parts.hostname) == ("https", HOST)
    assert parts.port in (None, 443)
    assert below[:1] in ("", "/", "?")
