"""The verbs that ask and manage: token, members, exists, groups, permissions, close, health."""

import json
import re

import pytest
from local_servers import HttpServer, answer


def test_token_is_a_url_that_connects(here, hub, sockets):
    status, out, err = here("token", hub, "--user", "ada", "--group", "lobby", "--role", "webpubsub.sendToGroup.lobby")
    assert (status, err) == (0, "")
    client = sockets(out.strip())
    assert client.user_id == "ada"
    client.send(type="sendToGroup", group="lobby", data=1, ackId=1)
    assert sorted(client.receive()["type"] for _ in range(2)) == ["ack", "message"]


def test_token_in_parts(here, hub, service):
    status, out, _ = here("token", hub, "--json", "--minutes", "1", "--protocol", "MQTT")
    parts = json.loads(out)
    assert status == 0
    assert set(parts) == {"baseUrl", "token", "url"}
    assert parts["baseUrl"] == f"ws{service.endpoint.removeprefix('http')}/clients/mqtt/hubs/{hub}"
    assert parts["url"] == f"{parts['baseUrl']}?access_token={parts['token']}"


def test_members_of_a_group(here, hub, join):
    assert here("members", hub, "lobby") == (0, "", "")
    ada, nobody = join("ada", groups=["lobby"]), join(groups=["lobby"])
    join("bob")
    status, out, err = here("members", hub, "lobby")
    assert (status, err) == (0, "")
    assert sorted(out.splitlines()) == sorted([f"{ada.id}\tada", nobody.id])
    status, out, _ = here("members", hub, "lobby", "--json")
    found = [json.loads(line) for line in out.splitlines()]
    assert {(member["connectionId"], member["userId"]) for member in found} == {(ada.id, "ada"), (nobody.id, None)}
    assert len(here("members", hub, "lobby", "--top", "1")[1].splitlines()) == 1


def test_member_cannot_forge_a_line(here, hub, join):
    client = join("ada\nroot\x1b[2J", groups=["lobby"])
    assert here("members", hub, "lobby") == (0, f"{client.id}\tada\\nroot\\x1b[2J\n", "")


def test_exists_says_yes_or_no(here, hub, join):
    client = join("ada", groups=["lobby"])
    for option, there in (("--user", "ada"), ("--group", "lobby"), ("--connection", client.id)):
        assert here("exists", hub, option, there) == (0, "yes\n", "")
        assert here("exists", hub, option, "other") == (0, "no\n", "")


def test_groups_add_and_remove(here, hub, join):
    client, bob = join("ada"), join("bob")

    def groups():
        return {name for name in "abc" if client.id in here("members", hub, name)[1]}

    for arguments, expected in (
        (["add", hub, "a", "b", "--user", "ada"], "ab"),
        (["remove", hub, "a", "--user", "ada"], "b"),
        (["add", hub, "--connection", client.id, "c"], "bc"),
        (["remove", hub, "--connection", client.id, "b"], "c"),
        (["add", hub, "a", "b", "--filter", "userId eq 'ada'"], "abc"),
        (["remove", hub, "a", "--filter", ""], "bc"),
        (["remove", hub, "--connection", client.id, "--every-group"], ""),
        (["add", hub, "a", "--filter", ""], "a"),
        (["remove", hub, "--user", "ada", "--every-group"], ""),
    ):
        assert here("groups", *arguments) == (0, "", "")
        assert groups() == set(expected), arguments
    assert here("members", hub, "a") == (0, f"{bob.id}\tbob\n", "")


def test_permissions_are_granted_checked_and_revoked(here, hub, join):
    client = join()

    def permissions(action, name="sendToGroup", group="lobby"):
        return here("permissions", action, hub, name, "--connection", client.id, "--group", group)

    assert permissions("check") == (0, "no\n", "")
    assert permissions("grant") == (0, "", "")
    assert permissions("check") == (0, "yes\n", "")
    assert permissions("check", group="other") == (0, "no\n", "")
    assert permissions("check", name="joinLeaveGroup") == (0, "no\n", "")
    assert permissions("revoke") == (0, "", "")
    assert permissions("check") == (0, "no\n", "")


def test_close_closes_whom_it_names(here, hub, join):
    ada, bob, carol, dora, eve = (join(name, groups=[f"of {name}"]) for name in ("ada", "bob", "carol", "dora", "eve"))
    for arguments, client in (
        (["--connection", ada.id], ada),
        (["--user", "bob"], bob),
        (["--group", "of carol"], carol),
        (["--all", "--exclude", eve.id], dora),
        (["--all"], eve),
    ):
        assert here("close", hub, *arguments, "--reason", "so long") == (0, "", "")
        assert client.close_reason() == "so long"


def test_health(here, service):
    assert here("health") == (0, f"{service.endpoint} is healthy\n", "")


def test_values_may_begin_with_a_dash(here, hub, join):
    client = join("--user")
    assert here("exists", hub, "--user", "--user")[0] == 2  # which is an option that lacks its value
    assert here("exists", hub, "--user=--user") == (0, "yes\n", "")
    assert here("groups", "add", hub, "--connection", client.id, "--", "-g", "--h") == (0, "", "")
    for group in ("-g", "--h"):
        assert here("exists", hub, "--group", group) == (0, "yes\n", "")
    assert here("exists", hub, "--connection", "-" + client.id) == (0, "no\n", "")
    assert here("close", hub, "--reason", "-", "--all") == (0, "", "")
    assert client.close_reason() == "-"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "the following arguments are required: VERB"),
        (["publsh", "h", "x"], "invalid choice: 'publsh'"),
        (["token"], "HUB"),
        (["token", "1 hub"], "hub"),
        (["token", "h", "--minutes", "0"], "'0' is not a whole number of at least 1"),
        (["token", "h", "--minutes", "99999999999"], "minutes_to_expire must be a whole number"),
        (["token", "h", "--protocol", "smoke"], "invalid choice: 'smoke'"),
        (["members", "h"], "GROUP"),
        (["members", "h", "g", "--top", "x"], "'x' is not a whole number"),
        (["members", "h", "g", "--to", "1"], "there is no --to"),
        (["exists", "h"], "one of the arguments --group --user --connection is required"),
        (["exists", "h", "--user", ""], "user_id"),
        (["groups", "add", "h", "--user", "u"], "no GROUP is named"),
        (["groups", "add", "h", "g"], "is required"),
        (["groups", "add", "h", "--user", "u", "--every-group"], "--every-group is for 'remove'"),
        (["groups", "remove", "h", "g", "--user", "u", "--every-group"], "--every-group is for 'remove'"),
        (["groups", "remove", "h", "--filter", "", "--every-group"], "--every-group is for 'remove'"),
        (["permissions", "grant", "h", "sendToGroup", "--connection", "c"], "--group"),
        (["permissions", "grant", "h", "dance", "--connection", "c", "--group", "g"], "invalid choice: 'dance'"),
        (["close", "h"], "is required"),
        (["close", "h", "--all", "--user", "u"], "not allowed with argument"),
        (["close", "h", "--connection", "c", "--exclude", "d"], "--exclude does not go with --connection"),
        (["health", "--endpoint", "http://a", "--connection-string", "x"], "not allowed with argument"),
        (["health", "--connection-string", "nonsense"], "connection_string"),
        (["emulator", "--port", "x"], "'x' is not a port"),
        (["emulator", "--event-handler", "chat=nonsense"], "nonsense"),
        (["emulator", "--fly"], "--fly"),
        (["doctor"], "URL"),
        (["doctor", "nonsense"], "URL must begin with http"),
    ],
)
def test_wrong_usage_is_status_2_and_says_what_is_wrong(here, arguments, words):
    status, out, err = here(*arguments)
    assert (status, out) == (2, "")
    assert words in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["permissions", "grant", "h", "sendToGroup", "--connection", "nobody", "--group", "g"],
            r"Connection `nobody` is not found\.",
        ),
        (["groups", "add", "h", "g", "--filter", "a b"], "Invalid syntax for 'a b'"),
        (["groups", "add", "h", "g", "--connection", "nobody"], "(?i)connection"),
    ],
)
def test_refusal_is_status_1_and_the_words_of_the_service(here, arguments, words):
    status, out, err = here(*arguments)
    assert (status, out) == (1, "")
    assert err.startswith("error: the service refused: ")
    assert re.search(words, err)
    assert "\nMessage: " not in err


def test_words_of_the_service_do_nothing_to_the_terminal(here):
    body = b'{"code": "Error.\\u009b", "message": "\\u001b[2J no"}'
    with HttpServer(answer("400 Bad Request", body, Content_Type="application/json")) as service:
        status, out, err = here("publish", "h", "x", "--connection-string", f"Endpoint={service.url};AccessKey=ABC;")
    assert (status, out) == (1, "")
    assert err == "error: the service refused: (Error.\\x9b) \\x1b[2J no\n"


def test_port_in_use_is_status_1(here, service):
    status, out, err = here("emulator", "--port", str(service.port), "--host", "127.0.0.1")
    assert (status, out) == (1, "")
    assert f"error: port {service.port} is in use" in err


def test_version(here):
    from azure.messaging.webpubsubservice import __version__

    assert here("--version") == (0, f"{__version__}\n", "")


def test_script_of_the_package_is_the_module():
    from pathlib import Path

    from azure.messaging.webpubsubservice import command

    setup = (Path(__file__).parents[2] / "setup.py").read_text(encoding="utf-8")
    assert 'entry_points={"console_scripts": [f"webpubsub = {PACKAGE}.command:main"]}' in setup
    assert callable(command.main)


def test_completions_of_a_shell_can_be_made_of_the_parser():
    from azure.messaging.webpubsubservice.command import parser

    verbs = parser().get_default("verbs")
    assert "--group" in verbs["publish"].format_usage()
    assert verbs["subscribe"].prog == "webpubsub subscribe"
