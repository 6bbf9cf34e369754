"""What a fresh interpreter loads for a client and a token: nothing that takes its time."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

KEY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"
HEAVY = {
    "azure.core",
    "requests",
    "urllib3",
    "msrest",
    "isodate",
    "aiohttp",
    "cryptography",
    "jwt",
    "asyncio",
    "dataclasses",
    "email",
    "http",
    "inspect",
    "logging",
    "ssl",
}
PROGRAM = """
import json, sys
before = set(sys.modules)
from azure.messaging.webpubsubservice{module} import WebPubSubServiceClient
client = WebPubSubServiceClient.from_connection_string(
    "Endpoint=http://localhost:8080;AccessKey={key};Version=1.0;", hub="chat", retry_total=3
)
assert repr(client)
{more}
print(json.dumps(sorted(set(sys.modules) - before)))
"""
TOKEN = """
token = client.get_client_access_token(user_id="ada", roles=["r"], groups=["g"])
assert token["url"].startswith("ws://localhost:8080/client/hubs/chat?access_token=ey")
from azure.messaging.webpubsubservice import build_authentication_token
from azure.messaging.webpubsubservice.filters import odata
assert build_authentication_token("http://localhost:8080", "chat", accesskey="{key}")["token"].startswith("ey")
assert odata("userId eq {{u}}", u="x")
client.close()
"""
ASYNC_TOKEN = """
try:
    client.get_client_access_token(user_id="ada").send(None)
except StopIteration as result:
    assert result.value["url"].startswith("ws://localhost:8080/client/hubs/chat?access_token=ey")
"""


def modules_after(program, **names):
    text = program.format(key=KEY, **names)
    run = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    return set(json.loads(run.stdout))


@pytest.mark.parametrize(("module", "more"), [("", TOKEN.format(key=KEY)), (".aio", ASYNC_TOKEN)], ids=["sync", "aio"])
def test_client_and_token_load_nothing_heavy(module, more):
    loaded = modules_after(PROGRAM, module=module, more=more)
    assert "azure.messaging.webpubsubservice._client" in loaded | {f"azure.messaging.webpubsubservice{module}._client"}
    assert not HEAVY & loaded
    ours = {name for name in loaded if name.startswith("azure")}
    foreign = {name for name in loaded - ours if name.partition(".")[0] not in sys.stdlib_module_names}
    assert not foreign
    assert not {name for name in ours if name.startswith("azure.core")}
    assert not {name for name in ours if ".emulator" in name or ".eventhandler" in name}


@pytest.mark.parametrize("module", ["", ".aio"], ids=["sync", "aio"])
def test_client_sends_without_aiohttp_msrest_requests_and_jwt(module):
    call = "client.send_to_all({'a': 1})" if not module else "asyncio.run(client.send_to_all({'a': 1}))"
    more = f"""
import asyncio, socket
from azure.core.exceptions import ServiceRequestError
port = socket.create_server(("127.0.0.1", 0))
number = port.getsockname()[1]
port.close()
client = WebPubSubServiceClient.from_connection_string(
    f"Endpoint=http://127.0.0.1:{{number}};AccessKey={KEY};", hub="chat", retry_total=0
)
try:
    {call}
except ServiceRequestError:
    pass
else:
    raise SystemExit("nothing listens there")
"""
    loaded = modules_after(PROGRAM, module=module, more=more)
    assert ("urllib3" in loaded) == (not module)  # for the asynchronous client, only if a URL is not a plain one
    assert not {"aiohttp", "cryptography", "isodate", "jwt", "msrest", "requests"} & loaded


def test_plain_client_and_token_load_no_typing_and_no_parser_of_urls():
    import azure.messaging.webpubsubservice as package

    # Without 'site', whose hooks for editable installations load half of the standard library before us.
    root = str(Path(package.__file__).parents[3])
    program = f"import sys; sys.path.insert(0, {root!r})\n" + PROGRAM.replace(", retry_total=3", "").format(
        key=KEY, module="", more="assert client.get_client_access_token(user_id='ada')['token']"
    )
    run = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    loaded = set(json.loads(run.stdout))
    assert "azure.messaging.webpubsubservice._client" in loaded
    assert not {"base64", "contextlib", "threading", "typing", "urllib.parse"} & loaded
