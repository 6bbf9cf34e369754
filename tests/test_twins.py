"""The clients are twins: ``_client.py`` is the text of ``aio/_client.py`` without ``async`` and ``await``.

A change is made in the asynchronous one; ``python tests/test_twins.py`` then writes the other.
"""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(find_spec("azure.messaging.webpubsubservice").origin).parent  # found, and not imported: it is being written
ASYNCHRONOUS, SYNCHRONOUS = ROOT / "aio" / "_client.py", ROOT / "_client.py"

# What is said otherwise where nothing is awaited; applied from the first to the last.
WORDS = [
    (
        r'^"""The asynchronous client\. .*',
        '"""The client. Written from its twin, ``aio/_client``, by ``tests/test_twins.py``."""',
    ),
    (r"^from \._sending import Sending\n", ""),
    (r"^from \.\.", "from ."),
    (r"(?<=^                )from \.\.", "from ."),
    (r"async (?=def |for |with )|await ", ""),
    (r"return Sending\((.*)\)$", r"response: types.HttpResponse = \1.http_response\n        return response"),
    (r"-> Sending:", "-> types.HttpResponse:"),
    (r"~collections\.abc\.Awaitable\[(.*)\]", r"\1"),
    (r"types\.AsyncList\(", "iter("),
    (r"credentials_async", "credentials"),
    (r"async_paging", "paging"),
    (r"decorator_async", "decorator"),
    (r"distributed_trace_async", "distributed_trace"),
    (r"asynchronous = True", "asynchronous = False"),
    (r"AiohttpTransport", "Urllib3Transport"),
    (r"\bAsync(?=[A-Z])", ""),
    (r"__a(?=(enter|exit)__)", "__"),
    (r"webpubsubservice\.aio", "webpubsubservice"),
    (r"One client serves the tasks of one event loop\.", "One client may be used by many threads."),
]


def synchronous(text):
    """Return the synchronous twin of a text."""
    for pattern, replacement in WORDS:
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    return ruff(ruff(text, "check", "--select", "I", "--fix-only", "--quiet"), "format")


def ruff(text, *command):
    """Let the formatter have the last word: lines that have lost a word may fit where they did not."""
    call = [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(SYNCHRONOUS), "-"]
    return subprocess.run(call, input=text, capture_output=True, text=True, check=True, timeout=60).stdout


def test_synchronous_client_is_the_text_of_the_other_without_await():
    written = synchronous(ASYNCHRONOUS.read_text("utf-8"))
    assert SYNCHRONOUS.read_text("utf-8") == written, "'python tests/test_twins.py' writes _client.py"


if __name__ == "__main__":
    SYNCHRONOUS.write_text(synchronous(ASYNCHRONOUS.read_text("utf-8")), "utf-8")
