"""What mypy and pyright say of programs with both clients: each line that must be an error, and no other, says so."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import azure.messaging.webpubsubservice as package

ROOT = Path(package.__file__).parents[3]

PROGRAM = """
import io
from collections.abc import Coroutine
from typing import Any, Protocol

from azure.core.async_paging import AsyncItemPaged
from azure.core.credentials import AccessToken, AzureKeyCredential, TokenCredential
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.paging import ItemPaged
from azure.core.rest import AsyncHttpResponse, HttpRequest, HttpResponse
from typing_extensions import assert_type

from azure.messaging.webpubsubservice import (
    ClientAccessToken, ClientOptions, GeneratedToken, GroupMember, WebPubSubServiceClient, build_authentication_token,
)
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient as AsyncClient
from azure.messaging.webpubsubservice.filters import odata
from azure.messaging.webpubsubservice.rest import build_send_to_all_request

key = AzureKeyCredential("key")


def construction(identity: TokenCredential, async_identity: AsyncTokenCredential) -> None:
    assert_type(WebPubSubServiceClient("https://h", key), WebPubSubServiceClient)
    assert_type(WebPubSubServiceClient("https://h", "hub", key), WebPubSubServiceClient)
    WebPubSubServiceClient("https://h", identity, hub="hub", retry_total=3, timeout=1.5, headers={"a": "b"})
    WebPubSubServiceClient(endpoint="https://h", hub="hub", credential=key)
    AsyncClient("https://h", async_identity, hub="hub")
    assert_type(AsyncClient("https://h", "hub", async_identity), AsyncClient)
    assert_type(WebPubSubServiceClient.from_connection_string("c", "hub"), WebPubSubServiceClient)
    assert_type(AsyncClient.from_connection_string("c", hub="hub", port=8080), AsyncClient)
    options: ClientOptions = {"retry_total": 3}
    WebPubSubServiceClient("https://h", key, **options)
    WebPubSubServiceClient("https://h")  # error
    WebPubSubServiceClient("https://h", key, retry_totl=3)  # error
    WebPubSubServiceClient("https://h", key, timeout="long")  # error
    WebPubSubServiceClient("https://h", async_identity)  # error
    AsyncClient("https://h", identity)  # error
    AsyncClient.from_connection_string("c", retry_totl=3)  # error
    ClientOptions(retry_totl=3)  # error


class Sender(Protocol):
    def send_to_all(
        self, message: Any, *, excluded: list[str] | None = None, filter: str | None = None,
        content_type: str | None = None,
    ) -> None: ...
    def send_to_group(self, group: str, message: Any, *, message_ttl_seconds: int | None = None) -> None: ...
    def user_exists(self, user_id: str) -> bool: ...
    def list_connections(self, group: str, *, top: int | None = None) -> ItemPaged[GroupMember]: ...
    def get_client_access_token(
        self, *, user_id: str | None = None, roles: list[str] | None = None, timeout: float | None = None
    ) -> ClientAccessToken: ...
    def send_request(self, request: HttpRequest, *, stream: bool = False) -> HttpResponse: ...
    def close(self) -> None: ...


class AsyncSender(Protocol):
    async def send_to_all(self, message: Any, *, content_type: str | None = None) -> None: ...
    async def user_exists(self, user_id: str, *, hub: str | None = None) -> bool: ...
    def list_connections(self, group: str) -> AsyncItemPaged[GroupMember]: ...
    async def close(self) -> None: ...


class Other(Protocol):
    def send_to_nobody(self, message: Any) -> None: ...


def use(sender: Sender) -> None: ...
def use_async(sender: AsyncSender) -> None: ...
def use_other(sender: Other) -> None: ...


def protocols(client: WebPubSubServiceClient, other: AsyncClient) -> None:
    use(client)
    use_async(other)
    use(other)  # error
    use_other(client)  # error


def blocking(client: WebPubSubServiceClient) -> None:
    assert_type(client.endpoint, str)
    assert_type(client.hub, str | None)
    assert_type(client.send_to_all({"a": 1}), None)
    client.send_to_all("x", excluded=["a"], filter=odata("userId eq {u}", u="x"), message_ttl_seconds=5)
    client.send_to_all([1, 2], hub="other", api_version=None, timeout=3, headers={"a": "b"})
    client.send_to_group("g", io.BytesIO(b"x"), content_type="text/plain")
    client.send_to_user("u", b"x")
    client.send_to_connection("c", 5)
    assert_type(client.user_exists("u"), bool)
    assert_type(client.has_permission("sendToGroup", "c", target_name="g"), bool)
    assert_type(client.check_permission("sendToGroup", "c", target_name="g"), bool)
    assert_type(client.get_service_status(), bool)
    assert_type(client.get_client_access_token(user_id="u"), ClientAccessToken)
    assert_type(client.get_client_access_token()["url"], str)
    assert_type(client.generate_client_token(), GeneratedToken)
    assert_type(client.list_connections("g", top=3), ItemPaged[GroupMember])
    for member in client.list_connections(group="g"):
        assert_type(member.user_id, str | None)
    request = build_send_to_all_request("hub", json={"a": 1})
    assert_type(request, HttpRequest)
    assert_type(client.send_request(request), HttpResponse)
    assert_type(client.send_request(http_request=request, stream=True, timeout=3), HttpResponse)
    with client as entered:
        assert_type(entered, WebPubSubServiceClient)
    assert_type(client.close(), None)
    client.send_to_all()  # error
    client.send_to_all("x", exclude=["a"])  # error
    client.send_to_all("x", message_ttl_seconds="5")  # error
    client.send_to_all("x", timeot=5)  # error
    client.send_to_user("u", "x", excluded=["a"])  # error
    client.send_to_group("x")  # error
    client.user_exists(5)  # error
    client.get_client_access_token(user="u")  # error
    client.get_client_access_token(minutes_to_expire="60")  # error
    client.list_connections()  # error
    client.send_request(request, stream_response=True)  # error
    client.add_connections_to_groups(5, "")  # error
    client.no_such_operation()  # error


async def awaiting(client: AsyncClient) -> None:
    assert_type(client.endpoint, str)
    assert_type(await client.send_to_all({"a": 1}), None)
    coroutine: Coroutine[Any, Any, bool] = client.user_exists("u")
    assert_type(await coroutine, bool)
    assert_type(await client.get_client_access_token(roles=["r"]), ClientAccessToken)
    assert_type(await client.generate_client_token(), GeneratedToken)
    assert_type(client.list_connections("g"), AsyncItemPaged[GroupMember])
    async for member in client.list_connections("g"):
        assert_type(member, GroupMember)
    request = build_send_to_all_request("hub", content=b"x", content_type="text/plain")
    assert_type(await client.send_request(request), AsyncHttpResponse)
    async with client.send_request(request, stream=True) as response:
        assert_type(response, AsyncHttpResponse)
    async with client as entered:
        assert_type(entered, AsyncClient)
    assert_type(await client.close(), None)
    await client.send_to_all("x", exclude=["a"])  # error
    await client.send_to_group("x")  # error
    await client.get_client_access_token(user="u")  # error
    await client.send_to_all("x", timeot=5)  # error
    await client.list_connections("g")  # error


def others() -> None:
    assert_type(build_authentication_token("https://h", "hub", accesskey="k", ttl="PT30M"), ClientAccessToken)
    build_authentication_token("https://h", "hub", key="k")  # error
    odata("userId eq {u}", u=1.5)  # error
    build_send_to_all_request("hub", json=1, exclude=["a"])  # error
    build_send_to_all_request("hub", json=1, api_version=None, params={"a": ["b"]}, template_url="/x")
    member = GroupMember(connection_id="c")
    GroupMember("c")  # error
    print(member == member, AccessToken("t", 1))
"""
EXPECTED = {number for number, line in enumerate(PROGRAM.splitlines(), 1) if line.endswith("# error")}


def lines_with_errors_of_mypy(file, cache):
    run = subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "mypy",
                "--strict",
                "--config-file=",
                "--no-error-summary",
                "--follow-imports=silent",
            ),
            *("--explicit-package-bases", f"--cache-dir={cache}", str(file)),
        ],
        capture_output=True,
        text=True,
        timeout=240,
        cwd=file.parent,
        env={**os.environ, **source_path("MYPYPATH")},
        check=False,
    )
    assert run.stderr == ""
    found = re.findall(r"^[^:\n]*program\.py:(\d+): error: (.*)$", run.stdout, re.MULTILINE)
    return {int(number): text for number, text in found}, run.stdout


def lines_with_errors_of_pyright(file, cache):
    config = {"typeCheckingMode": "strict", "pythonVersion": "3.10", **extra_paths()}
    file.with_name("pyrightconfig.json").write_text(json.dumps(config))
    run = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(file.parent)],
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"},
        check=False,
    )
    said = json.loads(run.stdout)["generalDiagnostics"]
    # What the checker cannot know after a wrong call is not of interest.
    said = [each for each in said if each["severity"] == "error" and "Unknown" not in each.get("rule", "")]
    return {each["range"]["start"]["line"] + 1: each["message"] for each in said}, run.stdout


def source_path(variable):
    # A checker finds what is installed, but neither a source tree nor what an editable install points at.
    return {} if ROOT.name == "site-packages" else {variable: str(ROOT)}


def extra_paths():
    return {} if ROOT.name == "site-packages" else {"extraPaths": [str(ROOT)]}


@pytest.mark.parametrize("checker", [lines_with_errors_of_mypy, lines_with_errors_of_pyright], ids=["mypy", "pyright"])
def test_checker_finds_each_mistake_and_nothing_else(checker, tmp_path, pytestconfig):
    file = tmp_path / "program.py"
    file.write_text(PROGRAM)
    found, output = checker(file, pytestconfig.cache.mkdir("mypy"))
    unexpected = {number: text for number, text in found.items() if number not in EXPECTED}
    assert not unexpected, unexpected
    assert found.keys() == EXPECTED, output
