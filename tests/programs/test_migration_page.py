"""The command of the migration page finds what it is to find, and nothing in a program that needs no change."""

import re
import shutil
import subprocess
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
