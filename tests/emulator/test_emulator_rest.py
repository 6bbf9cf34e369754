"""REST over real HTTP, by a caller that shares nothing with our client. The facts are in docs/service-facts.md."""

import json
import re
import time
from pathlib import Path

import jwt
import pytest
from emulator_peers import Caller, frame, sign
from websockets.exceptions import ConnectionClosed

VERSIONS = "2021-10-01, 2022-11-01, 2023-07-01, 2024-01-01, 2024-12-01"
HUB = "/api/hubs/chat"


def ids(answer):
    return [member["connectionId"] for member in answer.json()["value"]]


def received(socket_):
    """Everything the client has got so far, up to a message sent to mark the end."""
    found = []
    while (text := socket_.recv(timeout=5)) != "end":
        found.append(text)
    return found


# The operations


def operations():
    for line in (Path(__file__).parent.parent / "data" / "operations.tsv").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            _, method, path, *_ = line.split("\t")
            yield method, path.replace("P/", "/api/hubs/{hub}/")


def test_every_operation_of_the_table_has_a_route(rest):
    known = list(operations())
    assert len(known) >= 25
    for method, path in known:
        answer = rest(method, re.sub(r"\{\w+\}", "x", path), headers=[("Content-Type", "application/json")])
        assert answer.status != 405, (method, path)
        assert answer.status != 404 or answer.code, (method, path)


def test_health_needs_no_token(rest):
    answer = rest("HEAD", "/api/health", token="")
    assert answer.status == 200
    assert "api-supported-versions" not in answer.headers


@pytest.mark.parametrize("path", [f"{HUB}/:send", f"{HUB}/groups/g/:send", f"{HUB}/users/ann/:send"])
def test_send_is_accepted_with_an_empty_answer(rest, open_socket, path):
    client = open_socket(user_id="ann", groups=["g"])
    answer = rest("POST", path, b'{"a":1}', "application/json")
    assert (answer.status, answer.body) == (202, b"")
    assert answer.headers["Content-Length"] == "0"
    assert answer.headers["Content-Type"] is None
    assert answer.headers["api-supported-versions"] == VERSIONS
    assert frame(client)["data"] == {"a": 1}


def test_send_to_nobody_is_accepted(rest):
    for target in ("groups/x", "users/x", "connections/x"):
        assert rest("POST", f"{HUB}/{target}/:send", b"x", "text/plain").status == 202


@pytest.mark.parametrize(
    ("content_type", "body", "arrives"),
    [
        ("text/plain", "hé".encode(), ("hé", {"dataType": "text", "data": "hé"})),
        ("TEXT/PLAIN; charset=ISO-8859-1", "hé".encode("latin-1"), ("hé", {"dataType": "text", "data": "hé"})),
        ("text/plain; charset=utf-16", "hé".encode("utf-16"), ("hé", {"dataType": "text", "data": "hé"})),
        ("application/json", b'{"a": 1.0}', ('{"a": 1.0}', {"dataType": "json", "data": {"a": 1.0}})),
        ("application/json; charset=utf-8", b'"x"', ('"x"', {"dataType": "json", "data": "x"})),
        ("application/octet-stream", b"\x00\xff", (b"\x00\xff", {"dataType": "binary", "data": "AP8="})),
        (None, b"\x00\xff", (b"\x00\xff", {"dataType": "binary", "data": "AP8="})),
        ("text/plain", b"", ("", {"dataType": "text", "data": ""})),
    ],
)
def test_message_arrives_as_its_content_type_says(rest, open_socket, content_type, body, arrives):
    bare, wrapped = open_socket(protocol=None), open_socket()
    assert rest("POST", f"{HUB}/:send", body, content_type).status == 202
    assert bare.recv(timeout=5) == arrives[0]
    assert frame(wrapped) == {"type": "message", "from": "server", **arrives[1]}


@pytest.mark.parametrize("content_type", ["application/xml", "text/html", "text/plain; charset=zip", "nonsense"])
def test_unsupported_content_type_is_415(rest, content_type):
    assert rest("POST", f"{HUB}/:send", b"x", content_type).status == 415


@pytest.mark.parametrize("body", [b"{", b"", b"NaN", b"\xff", b'{"a":1}{}', b"[" * 100_000])
def test_invalid_json_is_400(rest, body):
    answer = rest("POST", f"{HUB}/:send", body, "application/json")
    assert (answer.status, answer.code) == (400, "Error.BadRequest")


def test_body_of_one_mebibyte_is_taken_and_one_byte_more_is_not(rest, open_socket):
    client = open_socket(protocol=None)
    assert rest("POST", f"{HUB}/:send", bytes(1024 * 1024)).status == 202
    assert len(client.recv(timeout=5)) == 1024 * 1024
    answer = rest("POST", f"{HUB}/:send", bytes(1024 * 1024 + 1))
    assert (answer.status, answer.json()["message"]) == (400, "Invalid Content-Length header")


def test_chunked_body_is_refused(rest):
    token = sign(rest.emulator.access_key, aud=f"{rest.emulator.endpoint}{HUB}/:send")
    answer = rest.raw(
        f"POST {HUB}/:send HTTP/1.1\r\nHost: 127.0.0.1:{rest.emulator.port}\r\nAuthorization: Bearer {token}\r\n"
        "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n1\r\nx\r\n0\r\n\r\n".encode()
    )
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_excluded_and_filter_choose_the_receivers(rest, open_socket):
    ann, bob, eve = (open_socket(user_id=name, groups=["g"]) for name in ("ann", "bob", "eve"))
    query = f"excluded={ann.connection_id}&excluded=nobody&filter=userId%20ne%20%27bob%27"
    assert rest("POST", f"{HUB}/groups/g/:send?{query}", b"1", "text/plain").status == 202
    assert rest("POST", f"{HUB}/:send", b"end", "text/plain").status == 202
    assert [frame(ann)["data"], frame(bob)["data"]] == ["end", "end"]
    assert [frame(eve)["data"], frame(eve)["data"]] == ["1", "end"]


def test_bad_filter_is_400_before_anything_is_sent(rest, open_socket):
    client = open_socket(protocol=None, user_id="ann")
    answer = rest("POST", f"{HUB}/:send?filter=invalid+filter", b"1", "text/plain")
    assert (answer.status, answer.code) == (400, "Error.BadRequest")
    assert answer.json()["target"] == "filter"
    assert answer.json()["message"].startswith("Invalid syntax for 'invalid filter'")
    rest("POST", f"{HUB}/:send", b"end", "text/plain")
    assert received(client) == []


@pytest.mark.parametrize("value", ["-1", "301", "x", "", "1.5"])
def test_message_ttl_outside_its_bounds_is_400(rest, value):
    answer = rest("POST", f"{HUB}/:send?messageTtlSeconds={value}", b"1", "text/plain")
    assert (answer.status, answer.json()["target"]) == (400, "messageTtlSeconds")


def test_metadata_headers_reach_json_clients_in_lower_case(rest, open_socket):
    client = open_socket()
    headers = [("X-WebPubSub-Metadata-Kind", "a, b"), ("x-webpubsub-metadata-KIND", "c,  d "), ("X-Other", "e")]
    assert rest("POST", f"{HUB}/:send", b"1", "text/plain", headers=headers).status == 202
    assert frame(client)["metadata"] == {"kind": "d"}
    bad = [("X-WebPubSub-Metadata-k", "v" * 1025)]
    assert rest("POST", f"{HUB}/:send", b"1", "text/plain", headers=bad).status == 400


def test_connections_users_and_groups_exist_while_somebody_is_there(rest, open_socket):
    client = open_socket(user_id="ann", groups=["g"])
    paths = [f"{HUB}/connections/{client.connection_id}", f"{HUB}/users/ann", f"{HUB}/groups/g"]
    for path in paths:
        answer = rest("HEAD", path)
        assert answer.status == 200
        assert answer.headers["Content-Length"] is answer.headers["Content-Type"] is None
    assert rest("DELETE", paths[0]).status == 204
    assert [rest("HEAD", path).status for path in paths] == [404, 404, 404]


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("connections/a%20b", "Warning.Connection.NotExisted", "Connection `a b` is not found."),
        ("users/it's", "Warning.User.NotExisted", "User `it's` is not found."),
        ("groups/g", "Warning.Group.NotExisted", "Group `g` is not found."),
    ],
)
def test_head_of_a_missing_thing_states_the_length_of_the_body_it_does_not_send(rest, path, code, message):
    answer = rest("HEAD", f"{HUB}/{path}")
    target = code.split(".")[1]
    body = f'{{"code":"{code}","message":"{message}","target":"{target}","details":null,"inner":null}}'
    assert (answer.status, answer.code, answer.body) == (404, code, b"")
    assert answer.headers["Content-Length"] == str(len(body))
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.headers["api-supported-versions"] == VERSIONS


@pytest.mark.parametrize(
    ("path", "code", "target"),
    [
        ("groups/g/connections/x", "Error.Connection.NotExisted", "Connection"),
        ("users/x/groups/g", "Warning.User.NotExisted", "User"),
        ("permissions/sendToGroup/connections/x?targetName=g", "Info.Connection.NotExisted", "Connection"),
    ],
)
def test_put_of_a_missing_thing_is_404_with_a_flat_error(rest, path, code, target):
    answer = rest("PUT", f"{HUB}/{path}")
    assert (answer.status, answer.code) == (404, code)
    assert list(answer.json()) == ["code", "message", "target", "details", "inner"]
    message = f"{target} `x` is not found."
    assert answer.body == (
        f'{{"code":"{code}","message":"{message}","target":"{target}","details":null,"inner":null}}'.encode()
    )


@pytest.mark.parametrize(
    "path",
    [
        "connections/x",
        "connections/x/groups",
        "groups/g/connections/x",
        "users/x/groups",
        "users/x/groups/g",
        "permissions/sendToGroup/connections/x?targetName=g",
    ],
)
def test_delete_of_a_missing_thing_is_204(rest, path):
    answer = rest("DELETE", f"{HUB}/{path}")
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["Content-Length"] is answer.headers["Content-Type"] is None


def test_preview_versions_answer_deletes_with_200(rest):  # 1.4
    assert rest("DELETE", f"{HUB}/connections/x", version="2021-05-01-preview").status == 200
    assert rest("DELETE", f"{HUB}/connections/x", version="2021-10-01").status == 204


def test_connection_is_put_into_a_group_and_taken_out(rest, open_socket):
    client = open_socket()
    path = f"{HUB}/groups/g/connections/{client.connection_id}"
    answer = rest("PUT", path)
    assert (answer.status, answer.headers["Content-Length"]) == (200, "0")
    assert rest("HEAD", f"{HUB}/groups/g").status == 200
    assert rest("DELETE", path).status == 204
    assert rest("HEAD", f"{HUB}/groups/g").status == 404
    rest("PUT", path)
    assert rest("DELETE", f"{HUB}/connections/{client.connection_id}/groups").status == 204
    assert rest("HEAD", f"{HUB}/groups/g").status == 404


def test_user_is_put_into_a_group_and_taken_out(rest, open_socket):
    open_socket(user_id="ann")
    for delete in ("users/ann/groups/g", "users/ann/groups"):
        assert rest("PUT", f"{HUB}/users/ann/groups/g").status == 200
        assert rest("HEAD", f"{HUB}/groups/g").status == 200
        assert rest("DELETE", f"{HUB}/{delete}").status == 204
        assert rest("HEAD", f"{HUB}/groups/g").status == 404


def test_bulk_calls_change_the_groups_of_whom_the_filter_chooses(rest, open_socket):
    ann, bob = open_socket(user_id="ann"), open_socket(user_id="bob")
    body = json.dumps({"groups": ["g", "h"], "filter": "userId eq 'ann'"}).encode()
    answer = rest("POST", f"{HUB}/:addToGroups", body, "application/json")
    assert (answer.status, answer.headers["Content-Length"]) == (200, "0")
    assert ids(rest("GET", f"{HUB}/groups/g/connections")) == [ann.connection_id]
    assert rest("POST", f"{HUB}/:addToGroups", b'{"groups":["g"]}', "application/json").status == 200
    assert ids(rest("GET", f"{HUB}/groups/g/connections")) == sorted([ann.connection_id, bob.connection_id])
    body = json.dumps({"groups": ["g"], "filter": "'h' in groups"}).encode()
    assert rest("POST", f"{HUB}/:removeFromGroups", body, "application/json").status == 200
    assert ids(rest("GET", f"{HUB}/groups/g/connections")) == [bob.connection_id]


@pytest.mark.parametrize(
    ("body", "target"),
    [
        (b"{}", "Groups"),
        (b"[]", "Groups"),
        (b'{"groups":[]}', "Groups"),
        (b'{"groups":[" "]}', "Groups"),
        (b'{"groups":[1]}', "Groups"),
        (b'{"groups":["g"],"filter":"invalid filter"}', "Filter"),
        (b'{"groups":["g"],"filter":1}', "Filter"),
    ],
)
def test_bulk_call_with_a_bad_body_is_400(rest, body, target):
    answer = rest("POST", f"{HUB}/:addToGroups", body, "application/json")
    assert (answer.status, answer.json()["target"]) == (400, target)
    if target == "Groups":
        assert answer.json()["message"] == (
            "Invalid group name. Valid group name should be in between 1 and 1024 characters long."
        )


def test_permission_is_granted_checked_and_revoked(rest, open_socket):
    client = open_socket()
    path = f"{HUB}/permissions/sendToGroup/connections/{client.connection_id}?targetName=g"
    assert rest("HEAD", path).status == 404
    assert rest("PUT", path).status == 200
    assert rest("HEAD", path).status == 200
    assert rest("HEAD", path.replace("=g", "=h")).status == 404
    assert rest("DELETE", path).status == 204
    assert rest("HEAD", path).status == 404


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_permission_without_a_target_is_a_flat_400(rest, method):
    answer = rest(method, f"{HUB}/permissions/sendToGroup/connections/x")
    assert (answer.status, answer.json()["target"]) == (400, "Request")
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"


def test_unknown_permission_is_a_validation_error(rest):
    answer = rest("PUT", f"{HUB}/permissions/fly/connections/x?targetName=g")
    assert (answer.status, answer.json()["errors"]) == (400, {"permission": ["The value 'fly' is not valid."]})


@pytest.mark.parametrize("path", ["connections/{id}", "users/ann/:closeConnections", "groups/g/:closeConnections"])
def test_close_tells_the_client_why(rest, open_socket, path):
    client = open_socket(user_id="ann", groups=["g"])
    method = "POST" if ":close" in path else "DELETE"
    assert rest(method, f"{HUB}/{path}?reason=b%20ye".replace("{id}", client.connection_id)).status == 204
    assert frame(client) == {"type": "system", "event": "disconnected", "message": "b ye"}
    with pytest.raises(ConnectionClosed) as closed:
        client.recv(timeout=5)
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1000, "")


def test_close_all_spares_the_excluded(rest, open_socket):
    ann, bob = open_socket(user_id="ann"), open_socket(user_id="bob")
    assert rest("POST", f"{HUB}/:closeConnections?excluded={bob.connection_id}").status == 204
    assert frame(ann)["event"] == "disconnected"
    assert rest("HEAD", f"{HUB}/users/bob").status == 200


# Paging


@pytest.fixture
def group_of_five(open_socket):
    clients = [open_socket(user_id=user, groups=["g"]) for user in ("ann", "bob", None, "dan", "eve")]
    return sorted(client.connection_id for client in clients)


def follow(rest, path):
    """Follow the links of a listing; return the pages and the links."""
    pages, links = [], []
    while path:
        answer = rest("GET", path)
        assert answer.status == 200
        pages.append(ids(answer))
        link = answer.json().get("nextLink")
        if link:
            assert link.startswith(rest.emulator.endpoint)
            links.append(link.partition("?")[2])
        path = link and link.removeprefix(rest.emulator.endpoint)
    return pages, links


def test_listing_fits_on_one_page_without_a_link(rest, group_of_five):
    answer = rest("GET", f"{HUB}/groups/g/connections")
    assert ids(answer) == group_of_five
    assert list(answer.json()) == ["value"]
    assert [list(member) for member in answer.json()["value"]] == [["connectionId", "userId"]] * 5
    assert sorted(str(member["userId"]) for member in answer.json()["value"]) == ["None", "ann", "bob", "dan", "eve"]


def test_listing_goes_on_from_page_to_page(rest, group_of_five):
    pages, links = follow(rest, f"{HUB}/groups/g/connections?maxpagesize=2")
    assert pages == [group_of_five[:2], group_of_five[2:4], group_of_five[4:]]
    assert links[0] == f"maxpagesize=2&continuationToken={group_of_five[2]}&api-version=2024-12-01"


def test_link_states_the_page_size_and_the_version_that_were_not_asked_for(emulator, rest, open_socket):
    from azure.messaging.webpubsubservice.emulator.hub import _events as on

    def fill():
        hub = emulator._switchboard.find_hub("chat")
        for number in range(201):
            hub.handle(on.Open(f"c{number:03}", groups=("g",)), 0.0)

    open_socket()
    emulator._call(fill)
    answer = rest("GET", f"{HUB}/groups/g/connections", version=None)
    assert len(answer.json()["value"]) == 200
    assert answer.json()["nextLink"].endswith("?maxpagesize=200&continuationToken=c200&api-version=2024-12-01")


def test_listing_stops_at_top_and_lowers_it_page_by_page(rest, group_of_five):
    pages, links = follow(rest, "/api/hubs/CHAT/groups/g/connections?top=3&maxpagesize=2")
    assert pages == [group_of_five[:2], group_of_five[2:3]]
    assert links == [f"top=1&maxpagesize=2&continuationToken={group_of_five[2]}&api-version=2024-12-01"]
    assert (
        "/api/hubs/CHAT/groups/g" in rest("GET", "/api/hubs/CHAT/groups/g/connections?maxpagesize=1").json()["nextLink"]
    )


def test_listing_of_an_empty_group_is_empty(rest):
    assert rest("GET", f"{HUB}/groups/none/connections").body == b'{"value":[]}'
    assert rest("GET", f"{HUB}/groups/none/connections?continuationToken=anything").status == 200


@pytest.mark.parametrize(
    "query",
    [
        "maxpagesize=0",
        "maxpagesize=201",
        "maxpagesize=x",
        "maxpagesize=",
        "maxpagesize=1&maxpagesize=1",
        "top=0",
        "top=2147483648",
        "top=",
        "continuationToken=",
        "continuationToken=a&continuationToken=b",
        "continuationToken=" + "x" * 2049,
    ],
)
def test_listing_with_a_bad_parameter_is_400(rest, query):
    answer = rest("GET", f"{HUB}/groups/g/connections?{query}")
    assert (answer.status, answer.json()["target"]) == (400, query.partition("=")[0])


# Names, paths, versions


def test_hub_names_are_compared_without_case_and_other_names_with(rest, open_socket):
    client = open_socket("Chat", user_id="Ann", groups=["G"])
    assert rest("HEAD", "/api/hubs/CHAT/users/Ann").status == 200
    assert rest("HEAD", "/api/hubs/chat/users/ann").status == 404
    assert rest("HEAD", "/api/hubs/chat/groups/g").status == 404
    assert rest("HEAD", f"/api/hubs/chat/connections/{client.connection_id}").status == 200


@pytest.mark.parametrize(
    ("segment", "user"),
    [
        ("tenant%2Falice", "tenant%2Falice"),
        ("tenant%252Falice", "tenant%2Falice"),
        ("a%20b", "a b"),
        ("a+b", "a+b"),
        ("%C3%BC", "ü"),
        ("a%3Fb", "a?b"),
        ("it's", "it's"),
        ("%FF", "%FF"),
    ],
)
def test_path_is_decoded_but_for_slashes(emulator, rest, open_socket, segment, user):
    open_socket(user_id=user)
    audience = f"{emulator.endpoint}{HUB}/users/" + user
    token = sign(emulator.access_key, aud=audience)
    assert rest("HEAD", f"{HUB}/users/{segment}", token=token).status == 200


@pytest.mark.parametrize("hub", ["1chat", "a-b", "a b", "a" * 129, "ä"])
def test_invalid_hub_name_is_400(emulator, rest, hub):
    from urllib.parse import quote

    token = sign(emulator.access_key, aud=f"{emulator.endpoint}/api/hubs/{hub}/:send")
    answer = rest("POST", f"/api/hubs/{quote(hub)}/:send", b"", token=token)
    assert (answer.status, answer.json()["target"]) == (400, "hub")


@pytest.mark.parametrize("group", ["%20", "g" * 1025])
def test_invalid_group_name_is_400(rest, group):
    answer = rest("POST", f"{HUB}/groups/{group}/:send", b"")
    assert (answer.status, answer.json()["target"]) == (400, "group")


@pytest.mark.parametrize("version", ["2020-10-01", "2021-08-01-preview", "2024-12-01", "2031-01-01", None])
def test_any_well_formed_version_is_taken(rest, version):
    assert rest("POST", f"{HUB}/:send", b"x", "text/plain", version=version).status == 202


@pytest.mark.parametrize("query", ["api-version=newest", "api-version=2024-12-01&api-version=2024-12-01"])
def test_malformed_or_doubled_version_is_400(rest, query):
    assert rest("POST", f"{HUB}/:send?{query}", b"x", "text/plain").status == 400


def test_unknown_path_is_404_without_a_code_and_a_wrong_method_405(rest):
    answer = rest("GET", "/api/nothing")
    assert (answer.status, answer.code) == (404, None)
    answer = rest("HEAD", f"{HUB}/users/x/groups/g")
    assert (answer.status, answer.headers["Allow"]) == (405, "DELETE, PUT")


# Errors


INVALID_GROUP = "Invalid group name. Valid group name should be in between 1 and 1024 characters long."
INVALID_FILTER = (
    "Invalid syntax for 'invalid filter': Syntax error at position 14 in 'invalid filter'. (Parameter 'filter')"
)


@pytest.mark.parametrize(
    ("path", "body", "target", "message"),
    [
        (
            ":send?messageTtlSeconds=301",
            b"1",
            "messageTtlSeconds",
            "The field messageTtlSeconds must be between 0 and 300.",
        ),
        (":send?filter=invalid%20filter", b"1", "filter", INVALID_FILTER),
        (":addToGroups", b'{"groups":["g"],"filter":"invalid filter"}', "Filter", INVALID_FILTER),
        (":removeFromGroups", b'{"groups":[]}', "Groups", INVALID_GROUP),
        (f"groups/{'g' * 1025}/:send", b"1", "group", INVALID_GROUP),
    ],
)
def test_validation_error_has_the_recorded_body(rest, path, body, target, message):
    answer = rest("POST", f"{HUB}/{path}", body, "application/json")
    assert (answer.status, answer.code) == (400, "Error.BadRequest")
    assert list(answer.json().items()) == [
        ("code", "Error.BadRequest"),
        ("message", message),
        ("target", target),
        ("errors", {target: [message]}),
        ("type", None),
        ("title", "One or more validation errors occurred."),
        ("status", 400),
        ("detail", None),
        ("instance", None),
        ("extensions", {}),
    ]


@pytest.mark.parametrize("method", ["PUT", "HEAD", "DELETE"])
@pytest.mark.parametrize("query", ["", "?targetName="])
def test_permission_without_a_group_is_a_flat_error(rest, method, query):
    answer = rest(method, f"{HUB}/permissions/sendToGroup/connections/x{query}")
    assert (answer.status, answer.code) == (400, "Error.BadRequest")
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    if method != "HEAD":
        fields = {"code": "Error.BadRequest", "message": INVALID_GROUP, "target": "Request"}
        assert answer.json() == {**fields, "details": None, "inner": None}


def test_validation_error_is_a_problem_unless_text_json_is_accepted(rest):
    answer = rest("POST", f"{HUB}/:send?messageTtlSeconds=301", b"1", headers=[("Accept", "application/json")])
    assert answer.headers["Content-Type"] == "application/problem+json; charset=utf-8"
    assert answer.headers["api-supported-versions"] is None
    negotiated = rest(
        "POST", f"{HUB}/:send?messageTtlSeconds=301", b"1", headers=[("Accept", "application/json, text/json")]
    )
    assert negotiated.headers["Content-Type"] == "application/json; charset=utf-8"
    assert negotiated.body == answer.body


# :generateToken


@pytest.fixture
def entra():
    from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator

    with WebPubSubEmulator(accept_entra_tokens=True) as running:
        yield running


def entra_token():
    return sign("a key of Entra ID that nobody knows", aud="https://webpubsub.azure.com", exp=int(time.time()) + 60)


def test_generate_token_mints_what_lets_a_client_in(entra, open_socket):
    rest = Caller(entra)
    query = "userId=ann&role=webpubsub.sendToGroup.g&role=fly&group=g&group=h&minutesToExpire=5"
    answer = rest("POST", f"{HUB}/:generateToken?{query}", token=entra_token())
    assert (answer.status, answer.headers["Transfer-Encoding"]) == (200, "chunked")
    token = answer.json()["token"]
    claims = jwt.decode(token, entra.access_key, algorithms=["HS256"], audience=f"{entra.endpoint}/client/hubs/chat")
    assert set(claims) == {"sub", "role", "webpubsub.group", "nbf", "exp", "iat", "iss", "aud"}
    assert (claims["sub"], claims["role"]) == ("ann", ["webpubsub.sendToGroup.g", "fly"])
    assert claims["exp"] - claims["iat"] == 300
    assert set(jwt.get_unverified_header(token)) == {"alg", "kid", "typ", "cty"}
    client = open_socket(url=f"ws{entra.endpoint.removeprefix('http')}/client/hubs/chat?access_token={token}")
    assert client.connected_frame["userId"] == "ann"


def test_generate_token_refuses_callers_with_an_access_key(rest):
    answer = rest("POST", f"{HUB}/:generateToken")
    assert (answer.status, answer.body) == (401, b"")


@pytest.mark.parametrize(("kind", "status"), [("default", 200), ("mqtt", 200), ("socketio", 400)])
def test_generate_token_knows_the_kinds_of_clients(entra, kind, status):
    answer = Caller(entra)("POST", f"{HUB}/:generateToken?clientType={kind}", token=entra_token())
    assert answer.status == status
    if status == 400:
        assert answer.json()["errors"] == {"clientType": ["The value 'socketio' is not valid."]}


def test_entra_token_is_refused_unless_it_was_allowed(rest, entra):
    assert rest("POST", f"{HUB}/:send", b"x", token=entra_token()).status == 401
    assert Caller(entra)("POST", f"{HUB}/:send", b"x", token=entra_token()).status == 202
    other = sign("some other key, long enough for HS256", aud="https://management.azure.com")
    assert Caller(entra)("POST", f"{HUB}/:send", b"x", token=other).status == 401
