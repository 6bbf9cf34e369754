"""Tokens, read with PyJWT, which we did not write."""

import inspect
import time
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from azure.core.credentials import AzureKeyCredential
from hypothesis import given
from hypothesis import strategies as st
from msrest.exceptions import ValidationError

from azure.messaging.webpubsubservice import build_authentication_token
from azure.messaging.webpubsubservice._tokens import audience, rest_token, sign

KEY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"
ENDPOINT = "https://Name.webpubsub.azure.com/"
NAME_CLAIM = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name"


def claims_of(token, path="/client/hubs/chat", key=KEY):
    """Return the claims of a client token whose signature, audience and times are right."""
    return jwt.decode(token, key, algorithms=["HS256"], audience=f"https://name.webpubsub.azure.com{path}")


@pytest.fixture
def client(connect):
    return connect(ENDPOINT, "chat", AzureKeyCredential(KEY))


def test_token_is_a_dict_of_three(client):
    token = client.get_client_access_token()
    assert type(token) is dict
    assert list(token) == ["baseUrl", "token", "url"]
    assert token["baseUrl"] == "wss://name.webpubsub.azure.com/client/hubs/chat"
    assert token["url"] == f"{token['baseUrl']}?access_token={token['token']}"


def test_token_asked_for_nothing_has_three_claims_and_lasts_an_hour(client):
    before = int(time.time())
    claims = claims_of(client.get_client_access_token()["token"])
    assert claims.keys() == {"aud", "iat", "exp"}
    assert before <= claims["iat"] <= time.time()
    assert claims["exp"] - claims["iat"] == 3600


def test_every_keyword_has_its_claim(client):
    token = client.get_client_access_token(
        user_id="ada ü", roles=["webpubsub.sendToGroup.g", "r"], groups=["g1", "g/2"], minutes_to_expire=5
    )["token"]
    claims = claims_of(token)
    assert claims == {
        "aud": "https://name.webpubsub.azure.com/client/hubs/chat",
        "iat": claims["iat"],
        "exp": claims["iat"] + 300,
        "sub": "ada ü",
        "role": ["webpubsub.sendToGroup.g", "r"],
        "webpubsub.group": ["g1", "g/2"],
    }
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}


@pytest.mark.parametrize("empty", [{"user_id": ""}, {"user_id": None}, {"roles": []}, {"roles": None}, {"groups": []}])
def test_empty_claims_are_left_out(client, empty):
    assert claims_of(client.get_client_access_token(**empty)["token"]).keys() == {"aud", "iat", "exp"}


@pytest.mark.parametrize(
    ("protocol", "path"),
    [
        ("Default", "/client/hubs/chat"),
        ("default", "/client/hubs/chat"),
        ("MQTT", "/clients/mqtt/hubs/chat"),
        ("mqtt", "/clients/mqtt/hubs/chat"),
        ("SocketIO", "/clients/socketio/hubs/chat"),
        ("socketio", "/clients/socketio/hubs/chat"),
    ],
)
def test_protocol_decides_path_and_audience(client, protocol, path):
    token = client.get_client_access_token(client_protocol=protocol)
    assert token["baseUrl"] == f"wss://name.webpubsub.azure.com{path}"
    claims_of(token["token"], path)


@pytest.mark.parametrize("protocol", ["", "graphql", "Default ", None, 1])
def test_unknown_protocol_is_refused(client, protocol):
    with pytest.raises(ValueError, match="client_protocol must be 'Default', 'MQTT' or 'SocketIO'"):
        client.get_client_access_token(client_protocol=protocol)


def test_headers_are_added_to_the_token(client):
    token = client.get_client_access_token(jwt_headers={"kid": "1", "typ": "at+jwt"})["token"]
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "at+jwt", "kid": "1"}
    claims_of(token)
    token = client.get_client_access_token(jwt_headers={"kid": "1"})["token"]
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT", "kid": "1"}


@pytest.mark.parametrize("algorithm", ["none", "HS512", None])
def test_headers_cannot_change_the_algorithm(client, algorithm):
    with pytest.raises(ValueError, match="jwt_headers must not set 'alg'"):
        client.get_client_access_token(jwt_headers={"alg": algorithm})


@pytest.mark.parametrize("minutes", [0, -1, -60])
def test_lifetime_below_a_minute_is_refused(client, minutes):
    with pytest.raises(ValueError, match="minutes_to_expire must be a whole number from 1 to"):
        client.get_client_access_token(minutes_to_expire=minutes)


@pytest.mark.parametrize("minutes", [None, 1.5, "60", True, timedelta(hours=1)])
def test_lifetime_that_is_no_whole_number_is_refused(client, minutes):
    with pytest.raises(TypeError, match="minutes_to_expire must be a whole number from 1 to"):
        client.get_client_access_token(minutes_to_expire=minutes)


def test_lifetime_without_end_is_refused(client):
    with pytest.raises(ValueError, match="minutes_to_expire must be a whole number from 1 to"):
        client.get_client_access_token(minutes_to_expire=10**30)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"roles": [1]}, "roles must be a list of str"),
        ({"groups": [None]}, "groups must be a list of str"),
        ({"user_id": 5}, "user's id must be a str"),
    ],
)
def test_claims_that_are_no_text_are_refused(client, wrong, message):
    with pytest.raises(TypeError, match=message):
        client.get_client_access_token(**wrong)


def test_lone_text_is_one_role_and_one_group(client):
    claims = claims_of(client.get_client_access_token(roles="webpubsub.sendToGroup", groups="g")["token"])
    assert (claims["role"], claims["webpubsub.group"]) == (["webpubsub.sendToGroup"], ["g"])


def test_hub_of_a_call_and_its_encoding(client):
    token = client.get_client_access_token(hub="a[1]")
    assert token["baseUrl"] == "wss://name.webpubsub.azure.com/client/hubs/a%5B1%5D"
    claims_of(token["token"], "/client/hubs/a[1]")


@pytest.mark.parametrize(
    ("endpoint", "base", "aud"),
    [
        ("http://localhost:8080", "ws://localhost:8080", "http://localhost:8080"),
        ("HTTPS://HOST/Path/", "wss://host/Path", "https://host/Path"),
        ("http://[::1]:80", "ws://[::1]:80", "http://[::1]:80"),
    ],
)
def test_endpoint_keeps_port_and_path(connect, endpoint, base, aud):
    token = connect(endpoint, AzureKeyCredential(KEY), hub="h").get_client_access_token()
    assert token["baseUrl"] == f"{base}/client/hubs/h"
    assert jwt.decode(token["token"], KEY, algorithms=["HS256"], audience=f"{aud}/client/hubs/h")


def test_keywords_of_the_token_can_be_seen(colour):
    parameters = inspect.signature(colour.client_class.get_client_access_token).parameters
    assert list(parameters) == [
        "self",
        "user_id",
        "roles",
        "groups",
        "minutes_to_expire",
        "client_protocol",
        "jwt_headers",
        "options",
    ]


# build_authentication_token


def test_function_makes_the_same_token():
    token = build_authentication_token(ENDPOINT, "chat", accesskey=KEY, user="ada", roles=["r"], groups=["g"])
    assert list(token) == ["baseUrl", "token", "url"]
    claims = claims_of(token["token"])
    assert claims == {
        "aud": "https://name.webpubsub.azure.com/client/hubs/chat",
        "iat": claims["iat"],
        "exp": claims["iat"] + 3600,
        "sub": "ada",
        "role": ["r"],
        "webpubsub.group": ["g"],
    }


def test_function_takes_a_connection_string_with_a_port():
    text = f"Endpoint=http://localhost;AccessKey={KEY};Port=8080;Version=1.0;"
    token = build_authentication_token(text, "chat")
    assert token["baseUrl"] == "ws://localhost:8080/client/hubs/chat"
    assert jwt.decode(
        token["token"], KEY, algorithms=["HS256"], audience="http://localhost:8080/client/hubs/chat"
    ).keys() == {"aud", "iat", "exp"}


@pytest.mark.parametrize(
    ("ttl", "seconds"),
    [
        (timedelta(minutes=30), 1800),
        (timedelta(seconds=1), 1),
        ("PT30M", 1800),
        ("PT1H30M", 5400),
        ("P1D", 86400),
        ("P1W", 604800),
        ("PT90.5S", 90),
    ],
)
def test_lifetime_is_a_timedelta_or_an_iso_8601_duration(ttl, seconds):
    claims = claims_of(build_authentication_token(ENDPOINT, "chat", accesskey=KEY, ttl=ttl)["token"])
    assert claims["exp"] - claims["iat"] == seconds


@pytest.mark.parametrize(("ttl", "months"), [("P1M", 1), ("P1Y", 12), ("P2M1D", 2)])
def test_months_and_years_are_counted_by_the_calendar(ttl, months):
    claims = claims_of(build_authentication_token(ENDPOINT, "chat", accesskey=KEY, ttl=ttl)["token"])
    start = datetime.fromtimestamp(claims["iat"], timezone.utc)
    end = datetime.fromtimestamp(claims["exp"], timezone.utc)
    if ttl.endswith("1D"):
        end -= timedelta(days=1)
    assert (end.year - start.year) * 12 + end.month - start.month == months
    assert abs(end.day - start.day) <= 3  # a 31st may become a 28th


@pytest.mark.parametrize("ttl", ["", "1h", "30", "P", "P1", "2024-01-01", "P99999999Y"])
def test_lifetime_that_is_no_duration_is_refused(ttl):
    with pytest.raises(ValueError, match=r"ttl .* is not an ISO 8601 duration such as 'PT30M'"):
        build_authentication_token(ENDPOINT, "chat", accesskey=KEY, ttl=ttl)


@pytest.mark.parametrize("ttl", [timedelta(0), timedelta(minutes=-1), "PT0S", "PT", "-PT5M", "PT0.5S", "-P1M"])
def test_lifetime_below_a_second_is_refused(ttl):
    with pytest.raises(ValueError, match="ttl must be at least a second"):
        build_authentication_token(ENDPOINT, "chat", accesskey=KEY, ttl=ttl)


@pytest.mark.parametrize("ttl", [None, 60, 1.5])
def test_lifetime_of_another_type_is_refused(ttl):
    with pytest.raises(TypeError, match="ttl must be a timedelta or an ISO 8601 duration"):
        build_authentication_token(ENDPOINT, "chat", accesskey=KEY, ttl=ttl)


def test_function_refuses_a_bad_hub_an_unknown_keyword_and_an_empty_key():
    with pytest.raises(ValidationError, match="hub"):
        build_authentication_token(ENDPOINT, "", accesskey=KEY)
    with pytest.raises(TypeError, match="key"):
        build_authentication_token(ENDPOINT, "chat", key=KEY)
    with pytest.raises(ValueError, match="access key must not be empty"):
        build_authentication_token(ENDPOINT, "chat", accesskey="")


# Tokens of REST requests


def test_rest_token_names_the_url_and_lasts_five_minutes():
    url = "https://host/api/hubs/chat/:send?api-version=2024-12-01"
    token = rest_token(url, KEY, now=1000)
    assert jwt.decode(token, KEY, algorithms=["HS256"], audience=url, options={"verify_exp": False}) == {
        "aud": url,
        "exp": 1300,
    }


def test_rest_token_carries_the_user_if_there_is_one():
    token = rest_token("https://host/x", KEY, user="ada", now=int(time.time()))
    assert jwt.decode(token, KEY, algorithms=["HS256"], audience="https://host/x")[NAME_CLAIM] == "ada"


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("https://h/api/a?b=%20", "https://h/api/a?b=%20"),
        ("https://h/api/a%20b?c=d", "https://h/api/a b"),
        ("https://h/api/a%2Fb%2fc%20d", "https://h/api/a%2Fb%2Fc d"),
        ("https://h/api/%C3%A4", "https://h/api/ä"),
        ("https://h/api/a%252Fb", "https://h/api/a%2Fb"),
    ],
)
def test_audience_of_an_escaped_url_is_what_the_service_compares_with(url, named):
    assert audience(url) == named


@given(
    st.dictionaries(st.text(min_size=1), st.text() | st.integers() | st.lists(st.text()), max_size=5),
    st.text(min_size=32, alphabet=st.characters(exclude_categories=["Cs"])),
)
def test_what_is_signed_reads_back_with_any_key(claims, key):
    for name in ("exp", "nbf", "iat", "aud", "sub", "jti", "iss"):
        claims.pop(name, None)
    assert jwt.decode(sign(claims, key), key, algorithms=["HS256"]) == claims


def test_token_of_another_key_is_not_taken():
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(sign({"a": 1}, KEY), KEY[::-1], algorithms=["HS256"])


def test_url_of_a_token_holds_nothing_but_the_token(client):
    token = client.get_client_access_token(user_id="a b&c")
    assert parse_qs(urlsplit(token["url"]).query) == {"access_token": [token["token"]]}
