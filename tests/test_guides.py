"""Every block of the guides runs, as a reader would run it: a page is one program, and the files it shows are files.

A Python block that begins with the name of a file (``# app.py``) is that file; those called ``test_*`` run with pytest.
Every other one is part of the page's program, which has a running ``emulator``, its ``connection_string`` and a
``client`` for the hub ``chat``. Lines of a shell are looked at one by one: what they name is there, and takes the
arguments given. JSON and YAML are read.
"""

import ast
import functools
import json
import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("aiohttp", reason="the emulator's packages are not installed")

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
ALONE = {"logging.md", "django.md", "azure-functions.md"}  # they change their process
RUN_ELSEWHERE = {"migration.md"}  # programs/test_migration_page.py
PAGES = sorted(path for path in DOCS.glob("*.md") if path.name not in RUN_ELSEWHERE)
SAME = {
    "azure-functions.md": ["azure_functions/function_app.py"],
    "django.md": ["django_app.py"],
    "publish.md": ["fan_out.py", "fan_out_aio.py", "ordered_sends.py"],
    "socketio.md": ["socketio_rooms.py"],
}
BLOCK = re.compile(r"^( *)```([a-z]+)\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
FILE = re.compile(r"# (\w+\.py)\n")
# So that a client, an event handler or a server of a page is never left without its service.
BEGINNING = """\
from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator

emulator = WebPubSubEmulator()
emulator.start()
connection_string = emulator.connection_string
client = WebPubSubServiceClient.from_connection_string(connection_string, hub="chat")
_ends = (client.close, emulator.stop)  # a page may give these names to others
"""
ENDING = """
for _end in _ends:
    _end()
print("the end")
"""


def blocks(path, *kinds):
    found = BLOCK.findall(path.read_text(encoding="utf-8"))
    return [re.sub(f"^{indent}", "", text, flags=re.MULTILINE) for indent, kind, text in found if kind in kinds]


def files(path):
    return {found[1]: text for text in blocks(path, "python") if (found := FILE.match(text))}


def run(folder, *arguments):
    inherited = {key: value for key, value in os.environ.items() if key != "WEBPUBSUB_CONNECTION_STRING"}
    done = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=folder,
        env={**inherited, "PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def having(kind):
    return [pytest.param(path, id=path.stem) for path in PAGES if blocks(path, kind)]


@pytest.mark.parametrize("path", having("python"))
def test_python_of_a_page_runs(path, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("WEBPUBSUB_CONNECTION_STRING", raising=False)
    for name, text in files(path).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    program = "\n".join(text for text in blocks(path, "python") if not FILE.match(text))
    (tmp_path / "the_page.py").write_text(BEGINNING + program + ENDING, encoding="utf-8")
    if path.name in ALONE:
        assert run(tmp_path, "the_page.py").endswith("the end\n")
    else:
        runpy.run_path(tmp_path / "the_page.py", run_name=f"page_{path.stem}")
        assert capsys.readouterr().out.endswith("the end\n")
    tests = [name for name in files(path) if name.startswith("test_")]
    if tests:
        printed = run(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "anyio", *tests)
        assert re.search(r"^\d+ passed", printed, re.MULTILINE), printed


def check_pip(words):
    assert words[:2] in (["install", "-q"], ["install", words[1]]), words
    extras = set(re.findall(r'^ +"([a-z]+)": \[', (ROOT / "setup.py").read_text(encoding="utf-8"), re.MULTILINE))
    needed = (ROOT / "dev_requirements.txt").read_text(encoding="utf-8").split()
    for word in words[1:]:
        ours = re.fullmatch(r"(?:\.|azure-messaging-webpubsubservice)(?:\[([a-z,]+)\])?(?:>=2\.0\.0b1)?", word)
        if ours:
            assert set(filter(None, (ours[1] or "").split(","))) <= extras, word
        else:
            assert word in {*needed, "-q", "-r", "dev_requirements.txt", "opentelemetry-sdk", "shtab", "--pre"}, word


def check_command(words):
    from azure.messaging.webpubsubservice.command._program import parser
    from azure.messaging.webpubsubservice.emulator.__main__ import _parser

    verb, *rest = words
    if verb == "emulator":
        _parser("webpubsub emulator").parse_args(rest)
    elif verb == "doctor":
        assert [word for word in rest if not word.startswith("-")], words
    elif verb != "--version":
        parser().get_default("verbs")[verb].parse(rest)


def check_module(words):
    name, *rest = words
    if name == "pip":
        check_pip(rest)
    elif name == "azure.messaging.webpubsubservice":
        check_command(rest)
    else:
        assert name in {"venv", "pytest", "unittest", "sphinx", "azure.messaging.webpubsubservice.emulator"}, words


def check_script(words):
    assert (ROOT / words[0]).is_file(), words
    parts = re.search(r'^parts="(.*)"', (ROOT / ".ci" / "run").read_text(encoding="utf-8"), re.MULTILINE)[1]
    assert words[0] != ".ci/run" or set(words[1:]) <= set(parts.split()), words


def check_python(words):
    if words[0] == "-m":
        check_module(words[1:])
    else:
        check_script(words)


CHECKS = {
    "python": check_python,
    "python3": check_python,
    "bash": check_script,
    "pip": check_pip,
    "webpubsub": check_command,
}


def check_line(line):
    """One command of a shell: whatever stands between ``&&``, ``|``, ``;`` and the words of a loop."""
    words = [word for word in shlex.split(line, comments=True) if not re.fullmatch(r"2>\S+", word)]
    while words and re.fullmatch(r"[A-Z_a-z]+=.*|until|do|done", words[0]):
        words.pop(0)
    if words:
        program = words[0].rpartition("/")[2]
        assert program in {*CHECKS, "export", "sleep", "tail", "pytest", "shtab", "uvicorn"}, line
        if program in CHECKS:
            CHECKS[program](words[1:])


@pytest.mark.parametrize("path", [*having("bash"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
def test_commands_of_a_page_are_commands(path):
    for text in blocks(path, "bash"):
        for line in text.replace("\\\n", " ").splitlines():
            for each in re.split(r" && | \| |; |&$", line):
                check_line(each)


def test_data_of_the_pages_can_be_read():
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    from azure.messaging.webpubsubservice.emulator._settings_file import Settings

    for path in PAGES:
        for text in blocks(path, "json"):
            if "WebPubSub" in json.loads(text):  # a settings file of the emulator
                settings = Settings.parse(text, path.name)
                assert settings.event_handlers
                assert not settings.ignored
        for text in blocks(path, "yaml"):
            yaml.safe_load(text)


def test_no_block_is_of_a_kind_that_nobody_looks_at():
    kinds = {"python", "bash", "json", "yaml", "text", "javascript", "html", "xml"}
    for path in PAGES:
        found = {kind for _, kind, _ in BLOCK.findall(path.read_text(encoding="utf-8"))}
        assert found <= kinds, f"{path.name}: {found - kinds}"


def test_every_page_is_in_the_table_of_contents():
    listed = set(re.findall(r"^([a-z-]+)$", (DOCS / "index.md").read_text(encoding="utf-8"), re.MULTILINE))
    assert {path.stem for path in DOCS.glob("*.md")} - {"index"} <= listed


def test_links_of_the_pages_read_well_and_lead_somewhere_also_in_a_repository_browser():
    """MyST would fill in the text of an empty link, and show other kinds of images; a repository's own pages do not."""
    for path in DOCS.glob("*.md"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"(?<!!)\[\]\(|```\{(?:image|figure|include|literalinclude)\}", text), path.name
        for link in re.findall(r'\]\((?!https?://|#)([^)#]+)|<img src="([^"]+)"', text):
            assert (DOCS / "".join(link)).exists(), f"{path.name}: {link}"


@pytest.mark.parametrize(("page", "sample"), [(page, sample) for page, samples in SAME.items() for sample in samples])
def test_code_that_a_page_has_in_common_with_a_sample_is_the_same(page, sample):
    shown = "".join(blocks(DOCS / page, "python"))
    text = (ROOT / "samples" / sample).read_text(encoding="utf-8")
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    theirs = [node for node in ast.parse(text).body if isinstance(node, kinds) and node.name not in ("main", "page")]
    assert theirs
    for node in theirs:
        assert f"{ast.get_source_segment(text, node)}\n" in shown, node.name


@functools.cache
def source():
    """The source of the library, with messages over several lines as one text."""
    from azure.messaging import webpubsubservice

    files = sorted(Path(webpubsubservice.__file__).parent.rglob("*.py"))
    text = "".join(path.read_text(encoding="utf-8") for path in files)
    return re.sub(r'"\s*\n\s*f?"', "", text)


def test_messages_that_troubleshooting_explains_are_said_by_the_library():
    by_message = (DOCS / "troubleshooting.md").read_text(encoding="utf-8").split("## By symptom")[0]
    rows = re.findall(r"^\| (.*?) \|", by_message, re.MULTILINE)
    quoted = [text for row in rows for text in re.findall("`(.+?)`", row)]
    assert len(quoted) > 15
    for text in quoted:
        assert text in source() or text.startswith("ModuleNotFoundError"), text


def test_loggers_that_the_page_names_are_the_library_s():
    named = re.findall(r"`(azure\.[\w.]+)`", (DOCS / "logging.md").read_text(encoding="utf-8"))
    assert len(named) > 3
    for name in named:
        assert f'getLogger("{name}' in source(), name
