"""What a fresh interpreter loads for a client and a token: nothing that takes its time."""

import json
import subprocess
import sys

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
    "urllib",
}
UNPACK = set()
if sys.version_info < (3, 11):
    UNPACK = {"typing_extensions"}  # has it where typing does not
    HEAVY.remove("inspect")  # which that one loads
PROGRAM = """
import json, sys
before = set(sys.modules)
from azure.messaging.webpubsubservice{module} import WebPubSubServiceClient
client = WebPubSubServiceClient.from_connection_string(
    "Endpoint=http://localhost:40808;AccessKey={key};Version=1.0;", hub="chat", retry_total=3
)
assert repr(client)
{more}
print(json.dumps(sorted(set(sys.modules) - before)))
"""
TOKEN = """
token = client.get_client_access_token(user_id="ada", roles=["r"], groups=["g"])
assert token["url"].startswith("ws://localhost:40808/client/hubs/chat?access_token=ey")
from azure.messaging.webpubsubservice import build_authentication_token
from azure.messaging.webpubsubservice.filters import odata
assert build_authentication_token("http://localhost:40808", "chat", accesskey="{key}")["token"].startswith("ey")
assert odata("userId eq {{u}}", u="x")
client.close()
"""
ASYNC_TOKEN = """
try:
    client.get_client_access_token(user_id="ada").send(None)
except StopIteration as result:
    assert result.value["url"].startswith("ws://localhost:40808/client/hubs/chat?access_token=ey")
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
    assert foreign <= UNPACK
    assert not {name for name in ours if name.startswith("azure.core")}
    assert not {name for name in ours if ".emulator" in name or ".eventhandler" in name}


@pytest.mark.parametrize("module", ["", ".aio"], ids=["sync", "aio"])
def test_client_sends_by_one_http_library_alone(module):
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
    assert {"aiohttp", "urllib3"} & loaded == {"aiohttp" if module else "urllib3"}
    assert not {"cryptography", "isodate", "jwt", "msrest", "requests"} & loaded
