"""Who gets in: the rules for tokens, as values and over the wire. (service facts, Tokens)"""

import time

import pytest
from emulator_peers import sign
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator
from azure.messaging.webpubsubservice.emulator.rest._tokens import TokenError, Tokens

KEY = "k" * 40
SECOND = "s" * 40
NOW = 1_800_000_000.0
HOSTS = ["host:8080", "localhost:8080"]
PATH = "/api/hubs/chat/groups/a b/:send"


def check_rest(aud="http://host:8080/api/hubs/chat/groups/a b/:send", key=KEY, **claims):
    claims.setdefault("exp", NOW + 60)
    tokens = Tokens([KEY, SECOND], clock_skew=300, accept_entra=False)
    return tokens.check_rest(sign(key, aud=aud, **claims), NOW, HOSTS, PATH)


@pytest.mark.parametrize(
    "aud",
    [
        "http://host:8080/api/hubs/chat/groups/a b/:send",
        "https://host:8080/api/hubs/chat/groups/a b/:send",
        "ws://host:8080/api/hubs/chat/groups/a b/:send",
        "WSS://HOST:8080/API/HUBS/CHAT/GROUPS/A%20B/:SEND",
        "http://localhost:8080/api/hubs/chat/groups/a%20b/:send",
        "http://host:8080/api/hubs/chat/groups/a%20b/:send?api-version=2024-12-01",
        "http://host:8080/api/hubs/chat/groups/a%20b/:send/more",
        ["http://other", "http://host:8080/api/hubs/chat/groups/a%20b/:send"],
    ],
)
def test_audience_is_the_url_whatever_its_scheme_case_and_query(aud):
    assert check_rest(aud) is True


@pytest.mark.parametrize(
    "aud",
    [
        None,
        "",
        "host:8080/api/hubs/chat/groups/a b/:send",
        "http://host:8080/",
        "http://host:8080/api/hubs/chat",
        "http://host:8080/api/hubs/chat/groups/a b/:sender",
        "http://host/api/hubs/chat/groups/a b/:send",
        "http://other:8080/api/hubs/chat/groups/a b/:send",
        "http://host:8080/api/hubs/chat2/groups/a b/:send",
        "http://host:8080/api/hubs/chat/groups/a%2520b/:send",
        "ftp://host:8080/api/hubs/chat/groups/a b/:send",
        "https://webpubsub.azure.com",
    ],
)
def test_another_audience_is_refused(aud):
    with pytest.raises(TokenError, match="audience"):
        check_rest(aud)


def test_token_for_another_name_is_refused_with_what_a_proxy_needs():
    with pytest.raises(TokenError, match=r"a proxy stands between.*--endpoint https://t\.example \(endpoint="):
        check_rest("wss://T.example/api/hubs/chat/groups/a%20b/:send?x=1")
    with pytest.raises(TokenError) as caught:
        check_rest("https://t.example/api/hubs/other")
    assert "proxy" not in str(caught.value)


@pytest.mark.parametrize("key", [KEY, SECOND])
def test_both_keys_are_good(key):
    assert check_rest(key=key) is True


def test_another_key_is_refused():
    with pytest.raises(TokenError, match="signature"):
        check_rest(key="x" * 40)


@pytest.mark.parametrize("claims", [{"exp": NOW - 299}, {"nbf": NOW + 299}, {"iat": NOW + 10_000}, {"iss": "anyone"}])
def test_clocks_may_differ_by_five_minutes(claims):
    assert check_rest(**claims) is True


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"exp": NOW - 301}, "expired 301 seconds ago"),
        ({"nbf": NOW + 301}, "not valid for another 301 seconds"),
        ({"exp": "never"}, "no expiration time"),
    ],
)
def test_token_outside_its_time_is_refused(claims, why):
    with pytest.raises(TokenError, match=why):
        check_rest(**claims)


def test_token_without_expiry_is_refused():
    with pytest.raises(TokenError, match="no expiration time"):
        check_rest(exp=None)


@pytest.mark.parametrize(
    "token", [None, "", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "." * 5000, "ey" + "W" * 9000 + ".x.y"]
)
def test_what_is_no_token_is_refused(token):
    tokens = Tokens([KEY], clock_skew=300, accept_entra=False)
    with pytest.raises(TokenError):
        tokens.check_rest(token, NOW, HOSTS, PATH)
    with pytest.raises(TokenError):
        tokens.check_client(token, NOW, HOSTS, "/client/hubs/chat")


def test_reason_never_shows_the_key_or_the_token():
    token = sign("x" * 40, aud="http://host:8080/", exp=NOW + 60)
    with pytest.raises(TokenError) as caught:
        Tokens([KEY], clock_skew=300, accept_entra=False).check_rest(token, NOW, HOSTS, PATH)
    assert KEY not in str(caught.value)
    assert token not in str(caught.value)


@pytest.mark.parametrize(
    ("aud", "good"),
    [
        ("http://host:8080/client/hubs/chat", True),
        ("wss://HOST:8080/client/hubs/Chat", True),
        ("https://localhost:8080/client/hubs/chat?x=1", True),
        ("http://host:8080/client/hubs/chat/more", False),
        ("http://host:8080client/hubs/chat", False),
        ("http://host:8080/client/hubs/other", False),
        ("http://other:8080/client/hubs/chat", False),
        ("http://host:8080/api/hubs/chat", False),
    ],
)
def test_client_token_is_for_one_hub(aud, good):
    tokens = Tokens([KEY], clock_skew=300, accept_entra=False)
    token = sign(KEY, aud=aud, exp=NOW + 60, sub="ann")
    if good:
        assert tokens.check_client(token, NOW, HOSTS, "/client/hubs/chat")["sub"] == "ann"
    else:
        with pytest.raises(TokenError, match="audience"):
            tokens.check_client(token, NOW, HOSTS, "/client/hubs/chat")


def test_short_key_warns_nobody():
    with WebPubSubEmulator(access_key="short") as emulator, connect(emulator.client_url("chat"), proxy=None):
        pass


# Over the wire


def test_rest_refuses_with_401_an_empty_body_and_the_reason_in_the_challenge(rest):
    answer = rest("POST", "/api/hubs/chat/:send", b"x", token=sign(rest.emulator.access_key, aud="http://other/"))
    assert (answer.status, answer.body, answer.code) == (401, b"", None)
    assert "audience" in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "Basic"])
def test_rest_wants_a_bearer_token(rest, scheme):
    token = sign(rest.emulator.access_key, aud=f"{rest.emulator.endpoint}/api/hubs/chat/:send")
    headers = [("Authorization", f"{scheme} {token}")]
    answer = rest("POST", "/api/hubs/chat/:send", b"x", token="", headers=headers)
    assert answer.status == (401 if scheme == "Basic" else 202)


def refused(url, **options):
    with pytest.raises(InvalidStatus) as caught, connect(url, proxy=None, **options):
        pass
    return caught.value.response


def test_client_without_a_good_token_gets_401_before_the_upgrade(emulator):
    base = f"ws://127.0.0.1:{emulator.port}/client/hubs/chat"
    audience = f"{emulator.endpoint}/client/hubs/chat"
    for token in (
        None,
        "x",
        sign("wrong key of a good length, really", aud=audience),
        sign(emulator.access_key, aud=f"{emulator.endpoint}/client/hubs/other"),
        sign(emulator.access_key, aud=audience, exp=int(time.time()) - 400),
    ):
        response = refused(base if token is None else f"{base}?access_token={token}")
        assert (response.status_code, response.body) == (401, b"")


def test_client_token_may_be_in_the_header_and_the_query_goes_first(emulator):
    base = f"ws://127.0.0.1:{emulator.port}/client/hubs/chat"
    good = sign(emulator.access_key, aud=f"{emulator.endpoint}/client/hubs/chat")
    with connect(base, additional_headers={"Authorization": f"Bearer {good}"}, proxy=None):
        pass
    header = {"Authorization": "Bearer x"}
    with connect(f"{base}?access_token={good}", additional_headers=header, proxy=None):
        pass
    header = {"Authorization": f"Bearer {good}"}
    assert refused(f"{base}?access_token=x", additional_headers=header).status_code == 401


def test_token_that_expires_later_does_not_cut_the_connection(emulator, open_socket, rest):
    client = open_socket(protocol=None, minutes_to_expire=1)
    emulator.clock.advance(3600)
    token = sign(emulator.access_key, aud=f"{emulator.endpoint}/api/hubs/chat/:send", exp=int(time.time()) + 4000)
    assert rest("POST", "/api/hubs/chat/:send", b"x", "text/plain", token=token, version=None).status == 202
    assert client.recv(timeout=5) == "x"


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"webpubsub.group": "g", "role": "webpubsub.sendToGroup"}, None),
        ({"webpubsub.group": ["g", "h"], "role": ["fly"]}, None),
        ({"webpubsub.group": ["g", " "]}, 400),
        ({"webpubsub.group": "g" * 1025}, 400),
    ],
)
def test_groups_of_the_token_are_joined_or_refused(emulator, rest, claims, status):
    token = sign(emulator.access_key, aud=f"{emulator.endpoint}/client/hubs/chat", **claims)
    url = f"ws://127.0.0.1:{emulator.port}/client/hubs/chat?access_token={token}"
    if status is None:
        with connect(url, proxy=None):
            assert rest("HEAD", "/api/hubs/chat/groups/g").status == 200
    else:
        response = refused(url)
        assert (response.status_code, response.body) == (400, b"The token contains an invalid group name.")


def test_legacy_client_path_names_the_hub_in_the_query(emulator):
    token = sign(emulator.access_key, aud=f"{emulator.endpoint}/client/?hub=chat")
    with connect(f"ws://127.0.0.1:{emulator.port}/client/?hub=Chat&access_token={token}", proxy=None):
        pass


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/client/hubs/", 400),
        ("/client/hubs/1chat", 400),
        ("/client/", 400),
        ("/clients/mqtt/hubs/chat", 400),
        ("/clients/socketio/hubs/chat", 501),
        ("/clients/socketio/hubs/chat/?EIO=4", 501),
        ("/clients/other", 404),
    ],
)
def test_client_path_that_leads_nowhere_says_so(emulator, path, status):
    assert refused(f"ws://127.0.0.1:{emulator.port}{path}").status_code == status
