"""What mypy says of handlers' functions: each line that must be an error carries a comment with the error's code."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from azure.messaging.webpubsubservice import eventhandler

SNIPPET = """
from typing import TypedDict

from azure.messaging.webpubsubservice.eventhandler import (
    ConnectedRequest, ConnectRequest, ConnectResponse, DisconnectedRequest, EventErrorResponse, EventHandlerResponse,
    UserEventRequest, UserEventResponse, WebPubSubEventHandler,
)

handler = WebPubSubEventHandler("chat", access_key=["a", "b"])


class Point(TypedDict):
    x: int


@handler.on_connect
def connect(request: ConnectRequest) -> ConnectResponse | EventErrorResponse | None:
    reveal_type(request.claims["sub"][0])  # note: "str"
    reveal_type(request.user_id)  # note: "str | None"
    return EventErrorResponse(401, "no") if request.user_id else ConnectResponse(groups=["a"])


reveal_type(connect)  # note: "def (request: azure.messaging.webpubsubservice.eventhandler._events.ConnectRequest)


class Accepting:
    def __init__(self) -> None:
        WebPubSubEventHandler(access_key="key").on_connect(self.connect)
        WebPubSubEventHandler(access_key="key").on_event("m")(self.message)

    async def connect(self, request: ConnectRequest) -> ConnectResponse:
        return ConnectResponse()

    def message(self, request: UserEventRequest) -> Point:
        return {"x": 1}


@handler.on_connected
async def connected(request: ConnectedRequest) -> None: ...


@handler.on_disconnected
def disconnected(request: DisconnectedRequest) -> None:
    reveal_type(request.reason)  # note: "str | None"


@handler.on_event
async def any_event(request: UserEventRequest) -> str | None:
    reveal_type(request.data_type)  # note: "Literal['text']
    return None


@handler.on_event()
def other(request: UserEventRequest) -> bytes: return b""


@handler.on_event("a")
def a(request: UserEventRequest) -> dict[str, int]: return {}


@handler.on_event("b")
def b(request: UserEventRequest) -> UserEventResponse | EventErrorResponse: return UserEventResponse("x", "text")


reveal_type(a)  # note: "def (request: azure.messaging.webpubsubservice.eventhandler._events.UserEventRequest) -> dict
reveal_type(handler.handle("POST", {"a": "b"}, b"").status)  # note: "int"
handler.handle("POST", [(b"a", b"b")], b"")
handler.handle("POST", {"a": ["b", "c"]})


@handler.on_connect  # error: type-var
def wrong_event(request: ConnectedRequest) -> None: ...


@handler.on_connect  # error: type-var
def wrong_reply(request: ConnectRequest) -> str: return ""


@handler.on_connect  # error: type-var
async def wrong_async_reply(request: ConnectRequest) -> str: return ""


@handler.on_connected  # error: type-var
def ignored_reply(request: ConnectedRequest) -> str: return ""


@handler.on_disconnected  # error: type-var
def wrong_disconnected(request: UserEventRequest) -> None: ...


@handler.on_event("c")  # error: type-var
def wrong_user_event(request: ConnectRequest) -> str: return ""


@handler.on_event("d")  # error: type-var
def wrong_user_reply(request: UserEventRequest) -> set[int]: return set()


@handler.on_event("e")  # error: type-var
def no_request() -> str: return ""


ConnectResponse(groups="room")  # error: arg-type
EventErrorResponse(404, "no")  # error: arg-type
UserEventResponse("x", "html")  # error: arg-type
handler.handle("POST", {}, "text")  # error: arg-type
handler.hub = 1  # error: assignment
connect_request: ConnectRequest
connect_request.mqtt = None  # error: misc
"""


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """What mypy says, by line."""
    file = tmp_path_factory.mktemp("typing") / "snippet.py"
    file.write_text(SNIPPET)
    package = Path(eventhandler.__file__).parents[1]
    # What stands beside the event handler is not looked at: it is most of the time and nothing of the question.
    beside = sorted(each.stem for each in package.iterdir() if each.name not in ("__init__.py", "eventhandler"))
    skipped = [f"[mypy-azure.messaging.webpubsubservice.{name}]\nfollow_imports = skip\n" for name in beside]
    file.with_name("mypy.ini").write_text("[mypy]\nstrict = true\nfollow_imports = silent\n" + "".join(skipped))
    # mypy finds what is installed, but neither a source tree nor what an editable install points at.
    root = package.parents[2]
    environment = {} if root.name == "site-packages" else {"MYPYPATH": str(root)}
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-error-summary", "--explicit-package-bases", str(file)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=file.parent,
        env={**os.environ, **environment},
        check=False,
    )
    assert run.stderr == ""
    found = {}
    for line in run.stdout.splitlines():
        number, message = re.fullmatch(r"snippet\.py:(\d+): (.*)", line.replace(str(file), "snippet.py")).groups()
        found.setdefault(int(number), []).append(message)
    return found


def wanted(kind):
    lines = enumerate(SNIPPET.splitlines(), 1)
    return {number: line.partition(f"# {kind}: ")[2] for number, line in lines if f"# {kind}: " in line}


def test_functions_of_the_wrong_type_are_errors_and_no_others(verdicts):
    errors = {number: said for number, said in verdicts.items() if any(each.startswith("error") for each in said)}
    # The decorator line or the function's own line: which of them mypy names is its business.
    assert len(errors) == len(wanted("error")), errors
    for (_, code), (_, said) in zip(sorted(wanted("error").items()), sorted(errors.items()), strict=True):
        assert f"[{code}]" in " ".join(said)


def test_decorators_keep_the_type_of_the_function(verdicts):
    for number, revealed in wanted("note").items():
        assert verdicts[number][0].startswith(f"note: Revealed type is {revealed}"), verdicts[number]
