"""Who the command is: a connection string that nobody sees, or an identity of Entra ID."""

import base64
import json
import os
import sys
import time

import pytest
import terminals

SECRET = "OnlyTheServiceAndIKnowThis0123456789"


@pytest.fixture(scope="module")
def locked():
    from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator

    with WebPubSubEmulator(access_key=SECRET) as emulator:
        yield emulator


def test_connection_string_of_the_option_goes_before_that_of_the_environment(here, locked, hub):
    status, out, _ = here("health", "--connection-string", locked.connection_string)
    assert (status, out) == (0, f"{locked.endpoint} is healthy\n")
    assert here("publish", hub, "x", "--connection-string", locked.connection_string)[0] == 0


def test_empty_variable_is_as_good_as_none(here, monkeypatch, nobody):
    from azure.messaging.webpubsubservice.command import _service

    monkeypatch.setattr(_service, "EMULATOR", nobody)
    monkeypatch.setenv(terminals.VARIABLE, "")
    assert "No service was named" in here("health")[2]


def wrong_ways(text):
    """Command lines that have the connection string in them, and are wrong."""
    return [
        ["publish", "chat", "x", "--connection-strng", text],
        ["publish", "chat", "x", f"--connection-strng={text}"],
        ["publish", "chat", "x", f"--connection={text}"],
        ["publish", text, "x"],
        ["publish", "chat", "x", "y", text],
        ["publish", "chat", "x", "--ttl", text],
        ["publish", "chat", "x", "--endpoint", text],
        ["publish", "chat", "x", "--connection-string", text.replace("Endpoint=http", "Endpoint=smtp")],
        ["publish", "chat", "x", "--connection-string", text.replace("AccessKey=", "")],
        ["publish", "chat", "x", "--connection-string", text + text],
        ["publish", "chat", "x", "--connection-string", text + "Port=99999;"],
        ["publish", "chat", "x", "--filter", "a b", "--connection-string", text],
        ["subscribe", "chat", "--count", text],
        ["subscribe", "1 chat", "--connection-string", text],
        ["members", "chat", "/", "--connection-string", text],
        ["permissions", text, "chat", "sendToGroup", "--connection", "c", "--group", "g"],
        ["emulator", "--connection-string", text],
        ["doctor", "http://127.0.0.1:1", "--connection-string", text],
        [text],
        ["--connection-string", text, "publish", "chat", "x"],
    ]


@pytest.mark.parametrize("number", range(20))
def test_wrong_usage_shows_no_key(here, locked, number):
    ways = wrong_ways(locked.connection_string)
    assert len(ways) == 20
    status, out, err = here(*ways[number])
    assert status in (1, 2)
    assert err
    assert SECRET not in out + err


@pytest.mark.parametrize("arguments", [["publish", "chat", "x"], ["subscribe", "chat"], ["members", "chat", "g"]])
def test_refused_key_is_not_shown(here, service, arguments):
    wrong = f"Endpoint={service.endpoint};AccessKey={SECRET};"
    status, out, err = here(*arguments, "--connection-string", wrong)
    assert (status, out) == (1, "")
    assert "401" in err
    assert SECRET not in err
    assert "access_token" not in err


def test_defect_shows_no_key_in_its_traceback(locked, tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text(
        "import sys\n"
        "from azure.messaging.webpubsubservice.command import _health, main\n"
        "def defect(text): raise RuntimeError('a defect of ours')\n"
        "_health.write_line = defect\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    done = terminals.run(
        "health", "--connection-string", locked.connection_string, program=[sys.executable, str(broken)]
    )
    assert done.returncode == 1
    assert "RuntimeError: a defect of ours" in done.stderr
    assert SECRET not in done.stderr


@pytest.fixture
def az(tmp_path):
    """A directory with an ``az`` that is logged in, as far as azure-identity can see."""
    pytest.importorskip("azure.identity")
    claims = base64.urlsafe_b64encode(json.dumps({"exp": int(time.time()) + 3600}).encode()).decode().rstrip("=")
    head = base64.urlsafe_b64encode(b'{"alg":"RS256"}').decode().rstrip("=")
    answer = {"accessToken": f"{head}.{claims}.c2lnbmF0dXJl", "expires_on": int(time.time()) + 3600}
    script = tmp_path / "az"
    script.write_text(f"#!/bin/sh\necho '{json.dumps(answer)}'\n")
    script.chmod(0o755)
    return f"{tmp_path}{os.pathsep}{os.environ['PATH']}"


def test_identity_of_entra_id(az, entra_service, hub):
    found = terminals.run(
        "publish", hub, "x", "--endpoint", entra_service.endpoint, PATH=az, AZURE_TOKEN_CREDENTIALS="AzureCliCredential"
    )
    assert (found.returncode, found.stdout) == (0, ""), found.stderr
    assert found.stderr.startswith("1 message")


def test_subscribe_with_an_identity_of_entra_id(az, entra_service, hub):
    from azure.messaging.webpubsubservice import WebPubSubServiceClient

    more = {"PATH": az, "AZURE_TOKEN_CREDENTIALS": "AzureCliCredential"}
    with (
        terminals.subscribed(hub, "--endpoint", entra_service.endpoint, "--count", "1", **more) as terminal,
        WebPubSubServiceClient.from_connection_string(entra_service.connection_string, hub) as client,
    ):
        client.send_to_all(1)
        assert terminal.out.rest() == ["1"]
        assert terminal.end() == 0


def without(tmp_path, *modules):
    """Arguments of Python for the command where modules are not installed."""
    hidden = tmp_path / "hidden.py"
    hidden.write_text(
        "import sys\n"
        f"for name in {modules!r}: sys.modules[name] = None\n"
        "from azure.messaging.webpubsubservice.command import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    return [sys.executable, "-W", "error", str(hidden)]


@pytest.mark.parametrize(
    ("arguments", "module", "words"),
    [
        (
            ["subscribe", "chat"],
            "websockets",
            """subscribe needs the package 'websockets': pip install "azure-messaging-webpubsubservice[command]\"""",
        ),
        (
            ["health", "--endpoint", "https://a"],
            "azure.identity",
            """--endpoint needs the package 'azure-identity': pip install "azure-identity\"""",
        ),
        (
            ["emulator"],
            "aiohttp",
            """the emulator needs the package 'aiohttp': pip install "azure-messaging-webpubsubservice[emulator]\"""",
        ),
    ],
)
def test_missing_package_is_a_sentence(tmp_path, arguments, module, words):
    done = terminals.run(*arguments, program=without(tmp_path, module))
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"error: {words}\n")


def test_other_verbs_need_no_package(tmp_path, connection_string, hub):
    program = without(tmp_path, "websockets", "tqdm", "aiohttp", "jwt", "azure.identity", "google")
    for arguments in (["publish", hub, "x"], ["token", hub], ["doctor", "--help"]):
        done = terminals.run(*arguments, program=program, connection_string=connection_string)
        assert done.returncode == 0, done.stderr


def test_token_is_minted_without_what_takes_time(connection_string, hub):
    text = (
        "import sys\nfrom azure.messaging.webpubsubservice.command import main\n"
        "status = main(sys.argv[1:])\nprint(*sorted(sys.modules))\nsys.exit(status)"
    )
    done = terminals.run("token", hub, program=[sys.executable, "-c", text], connection_string=connection_string)
    url, modules = done.stdout.splitlines()
    assert url.startswith("ws://")
    loaded = set(modules.split())
    assert not loaded & {
        "azure.core",
        "asyncio",
        "urllib3",
        "msrest",
        "aiohttp",
        "tqdm",
        "websockets",
        "logging",
        "ssl",
    }
