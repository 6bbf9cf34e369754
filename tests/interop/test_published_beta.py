"""Version 1.0.0b1, which this library was ported from: its requests and tokens against the emulator and beside ours."""

import json
import subprocess
import sys
from urllib.parse import parse_qs, urlsplit

import pytest

pytest.importorskip("aiohttp", reason="the emulator's packages are not installed")
pytest.importorskip("websockets", reason="websockets is not installed")

from interop_packages import HERE, python_with

from azure.messaging.webpubsubservice import rest as ours

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(sys.version_info >= (3, 13), reason="1.0.0b1 imports cgi, which Python 3.13 no longer has"),
]

WAIT = 30
OLD = "2021-05-01-preview"


def requests_of(hub, connection_id):
    """Return the builders of 1.0.0b1, called in an order that makes sense, with the statuses that must follow.

    Deletions were answered with 200 then.
    """
    permission = {"target_name": "ro om"}
    return [
        ("build_healthapi_get_health_status_request", [], {}, 200),
        ("build_send_to_all_request", [hub], {"json": {"a": "Zoë"}}, 202),
        ("build_send_to_all_request", [hub], {"json": "x", "excluded": [connection_id, "a/b"]}, 202),
        ("build_connection_exists_request", [hub, connection_id], {}, 200),
        ("build_connection_exists_request", [hub, "nobody"], {}, 404),
        ("build_send_to_connection_request", [hub, connection_id], {"content": "t", "content_type": "text/plain"}, 202),
        ("build_add_connection_to_group_request", [hub, "ro om", connection_id], {}, 200),
        ("build_group_exists_request", [hub, "ro om"], {}, 200),
        ("build_send_to_group_request", [hub, "ro om"], {"json": [1]}, 202),
        ("build_remove_connection_from_group_request", [hub, "ro om", connection_id], {}, 200),
        ("build_group_exists_request", [hub, "ro om"], {}, 404),
        ("build_user_exists_request", [hub, "ann"], {}, 200),
        ("build_send_to_user_request", [hub, "ann"], {"json": None, "content": "t", "content_type": "text/plain"}, 202),
        ("build_add_user_to_group_request", [hub, "g", "ann"], {}, 200),
        ("build_remove_user_from_group_request", [hub, "g", "ann"], {}, 200),
        ("build_remove_user_from_all_groups_request", [hub, "ann"], {}, 200),
        ("build_grant_permission_request", [hub, "sendToGroup", connection_id], permission, 200),
        ("build_check_permission_request", [hub, "sendToGroup", connection_id], permission, 200),
        ("build_revoke_permission_request", [hub, "sendToGroup", connection_id], permission, 200),
        ("build_check_permission_request", [hub, "sendToGroup", connection_id], permission, 404),
        ("build_close_client_connection_request", [hub, connection_id], {"reason": "Zoë & co"}, 200),
    ]


def parts(method, url):
    split = urlsplit(url)
    return method, split.path, parse_qs(split.query)


def test_version_1_0_0b1_works_with_the_emulator_and_our_builders_make_its_requests(emulator, hub, join, sockets):
    interpreter = python_with("azure-messaging-webpubsubservice==1.0.0b1")
    receiver = join("ann")
    wanted = requests_of(hub, receiver.id)
    asked = {
        "connection_string": emulator.connection_string,
        "access_key": emulator.access_key,
        "hub": hub,
        "requests": [[name, args, kwargs] for name, args, kwargs, _ in wanted],
    }
    run = subprocess.run(
        [interpreter, "-I", str(HERE / "published_beta.py")],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    told = json.loads(run.stdout)

    assert [status for _, _, status in told["sent"]] == [status for *_, status in wanted]
    assert {name for name, *_ in wanted} == set(told["builders"])
    assert [receiver.data() for _ in range(4)] == [
        ("json", {"a": "Zoë"}),
        ("text", "t"),
        ("json", [1]),
        ("text", "t"),
    ]
    assert (receiver.close_reason(), receiver.closed()) == ("Zoë & co", 1000)

    for (name, args, kwargs, _), (method, url, _) in zip(wanted, told["sent"], strict=True):
        request = getattr(ours, name)(*args, api_version=OLD, **kwargs)
        assert parts(request.method, request.url) == parts(method, url), name

    full, bare = told["tokens"]
    assert set(full) == {"baseUrl", "token", "url"}
    client = sockets(full["url"])
    client.send(type="joinGroup", group="any", ackId=1)
    assert (client.user_id, client.receive()["success"]) == ("ann", True)
    assert sockets(bare["url"]).user_id is None
