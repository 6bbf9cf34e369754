"""The programs of the migration page run, and its command finds what it is to find, and nothing else."""

import io
import re
import shutil
import subprocess
from contextlib import redirect_stdout
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "migration.md"
OLD = """\
from azure.messaging.webpubsubservice.core.rest import HttpRequest
from azure.messaging.webpubsubservice._operations._operations import build_web_pub_sub_service_send_to_all_request
client.send_request(request, stream_response=True)
print(response.text)
client.send_to_all(b"\\x00")
client.list_connections(group="g").by_page(continuation_token=link)
import responses
client = WebPubSubServiceClient(endpoint, hub, credential, polling_interval=3)
client.send_to_all("x", read_timeout=200)
"""
FINE = """\
from azure.messaging.webpubsubservice import WebPubSubServiceClient
client = WebPubSubServiceClient.from_connection_string(text, hub="chat")
client.send_to_all("x", content_type="text/plain", excluded=["a"])
print(response.text())
for member in client.list_connections(group="g"):
    print(member)
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_command_finds_the_lines_to_look_at(tmp_path):
    commands = re.findall(r"^```bash\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    (command,) = [each for each in commands if "grep" in each]
    (tmp_path / "old.py").write_text(OLD)
    (tmp_path / "fine.py").write_text(FINE)
    run = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert run.stderr == ""
    found = {(line.split(":")[0], int(line.split(":")[1])) for line in run.stdout.splitlines()}
    assert found == {("./old.py", number) for number in range(1, len(OLD.splitlines()) + 1)}


@pytest.fixture(scope="module")
def migrated():
    """Runs the Python blocks of the page; gives their names, and the emulator that sends events to ``place``."""
    pytest.importorskip("fastapi", reason="fastapi is not installed")
    from azure.messaging.webpubsubservice.emulator import EventHandler, WebPubSubEmulator

    names = {}

    async def app(scope, receive, send):
        await names[names["place"]](scope, receive, send)

    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    events = EventHandler("/eventhandler", app=app, system_events=["connect"])
    with WebPubSubEmulator(event_handlers={"chat": events}) as emulator:
        names["connection_string"] = emulator.connection_string
        output = io.StringIO()
        with redirect_stdout(output):
            for block in blocks:
                exec(compile(block, PAGE.name, "exec"), names)
        yield names, emulator, output.getvalue().splitlines(), len(blocks)
        names["client"].close()
        names["service"].close()


def test_programs_of_earlier_versions_run_as_they_are(migrated):
    names, emulator, printed, count = migrated
    assert count == 6
    base_url = emulator.endpoint.replace("http", "ws") + "/client/hubs/chat"
    assert printed == ["404", base_url, "Warning.User.NotExisted"]
    assert (names["token"]["baseUrl"], names["members"]) == (base_url, [])
    assert [(send.data_type, send.data) for send in emulator.record.sends] == [
        ("json", b'{"hello": "world"}'),
        ("json", b'"a JSON string"'),
        ("text", b"plain text"),
        ("json", b'"AAE="'),
        ("binary", b"\x00\x01"),
    ]


@pytest.mark.parametrize("place", ["by_hand", "app"])
def test_webhooks_by_hand_and_with_the_handler_do_the_same(migrated, place):
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    names, emulator, *_ = migrated
    names["place"] = place
    with connect(emulator.client_url("chat", user_id="ada"), proxy=None) as ada:
        ada.send("hello")
        assert ada.recv(timeout=30) == "you said hello"
        assert [member.user_id for member in names["service"].list_connections("lobby")] == ["ada"]
        names["service"].remove_user_from_all_groups("ada")
    with pytest.raises(InvalidStatus) as refused:
        connect(emulator.client_url("chat"), proxy=None)
    assert refused.value.response.status_code == 401
