"""What editors show: pyright's language server and jedi are asked for hover, completion and signature, both clients."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jedi
import pytest

import azure.messaging.webpubsubservice as package

ROOT = Path(package.__file__).parents[3]
TOLD_BY_JEDI = {"sync": "azure.messaging.webpubsubservice", "aio": "azure.messaging.webpubsubservice.aio"}
PROGRAM = """from azure.core.credentials import AzureKeyCredential
from {module} import WebPubSubServiceClient

client = WebPubSubServiceClient("https://h", AzureKeyCredential("k"), hub="chat")
other = WebPubSubServiceClient.from_connection_string("c", hub="chat")
sending = client.send_to_group("lobby", "x", excluded=["c"])
client.send_
client.user_exists("ada", time)
"""
LINES = PROGRAM.splitlines()


def place(line, text):
    """Return where in the program the end of a text is, counted from 0."""
    return line, LINES[line].index(text) + len(text)


CONSTRUCTOR = place(3, "WebPubSubServiceClient(")
CONNECTION_STRING = place(4, "from_connection_string(")
OPERATION = place(5, "send_to_group(")
BEGUN = place(6, "client.send_")
OPTION = place(7, "time")


class LanguageServer:
    """pyright's, over its standard streams."""

    def __init__(self, folder):
        self.folder = folder
        self.number = 0
        # The package's own way to find Node and to bring pyright, once.
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from pyright.langserver import entrypoint; entrypoint()", "--stdio"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"},
        )
        uri = folder.as_uri()
        self.ask(
            "initialize",
            processId=os.getpid(),
            rootUri=uri,
            workspaceFolders=[{"uri": uri, "name": "w"}],
            capabilities={
                "workspace": {"configuration": True},
                "textDocument": {"hover": {"contentFormat": ["markdown"]}},
            },
        )
        self.tell("initialized")

    def send(self, **message):
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self.process.stdin.flush()

    def tell(self, method, **params):
        self.send(method=method, params=params)

    def ask(self, method, **params):
        self.number += 1
        self.send(id=self.number, method=method, params=params)
        while True:
            told = self.receive()
            if told.get("id") == self.number and "method" not in told:
                assert "error" not in told, told
                return told["result"]
            if "id" in told and "method" in told:  # it asks for something itself, such as its settings
                items = told.get("params", {}).get("items", [])
                settings = [
                    {"pythonPath": sys.executable} if each.get("section") == "python" else None for each in items
                ]
                self.send(id=told["id"], result=settings or None)

    def receive(self):
        length = 0
        while (line := self.process.stdout.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return json.loads(self.process.stdout.read(length))

    def open(self, name, text):
        self.uri = (self.folder / name).as_uri()
        document = {"uri": self.uri, "languageId": "python", "version": 1, "text": text}
        self.tell("textDocument/didOpen", textDocument=document)

    def at(self, where, method):
        line, character = where
        return self.ask(
            f"textDocument/{method}",
            textDocument={"uri": self.uri},
            position={"line": line, "character": character},
        )

    def hover(self, where):
        return self.at((where[0], where[1] - 2), "hover")["contents"]["value"]

    def completions(self, where):
        found = self.at(where, "completion")
        return {each["label"] for each in (found["items"] if isinstance(found, dict) else found)}

    def signatures(self, where):
        return [each["label"] for each in self.at(where, "signatureHelp")["signatures"]]

    def definition(self, where):
        return [each.get("uri") or each.get("targetUri") for each in self.at((where[0], where[1] - 2), "definition")]

    def close(self):
        self.ask("shutdown")
        self.tell("exit")
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(30)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("editor")
    config = {} if ROOT.name == "site-packages" else {"extraPaths": [str(ROOT)]}
    (folder / "pyrightconfig.json").write_text(json.dumps({"pythonVersion": "3.10", **config}))
    for name, module in TOLD_BY_JEDI.items():
        (folder / f"{name}.py").write_text(PROGRAM.format(module=module))
    made = LanguageServer(folder)
    yield made
    made.close()


@pytest.mark.parametrize("name", TOLD_BY_JEDI)
def test_pyright_shows_the_clients_as_they_are(server, name):
    server.open(f"{name}.py", PROGRAM.format(module=TOLD_BY_JEDI[name]))

    hover = server.hover(OPERATION)
    assert ("CoroutineType[Any, Any, None]" in hover) == (name == "aio")
    assert "send_to_group" in hover
    assert "Send a message to every connection of a group." in hover
    assert f'{"await " if name == "aio" else ""}client.send_to_group("lobby", {{"hello": "world"}}' in hover
    assert "code-block" not in hover

    (signature,) = server.signatures(OPERATION)
    for parameter in ("group: str", "message: Any", "excluded: list[str] | None", "message_ttl_seconds: int | None"):
        assert parameter in signature
    assert server.completions(BEGUN) >= {"send_to_all", "send_to_group", "send_to_user", "send_request"}
    assert "timeout=" in server.completions(OPTION)
    (home,) = server.definition(OPERATION)
    assert home.endswith("webpubsubservice/aio/_client.py" if name == "aio" else "webpubsubservice/_client.py")

    constructor = " ".join(server.signatures(CONSTRUCTOR))
    assert "endpoint: str" in constructor
    assert "AzureKeyCredential" in constructor
    assert "Sends messages through Azure Web PubSub" in server.hover(CONSTRUCTOR)
    (from_text,) = server.signatures(CONNECTION_STRING)
    assert "connection_string: str, hub: str | None = None" in from_text
    assert "Make a client from a connection string" in server.hover(CONNECTION_STRING)
    assert "WebPubSubServiceClient" in server.hover(place(4, "other"))


@pytest.mark.parametrize("name", TOLD_BY_JEDI)
def test_jedi_shows_the_clients_as_they_are(name, tmp_path):
    added = [] if ROOT.name == "site-packages" else [str(ROOT)]
    script = jedi.Script(
        PROGRAM.format(module=TOLD_BY_JEDI[name]),
        path=tmp_path / "program.py",
        project=jedi.Project(tmp_path, added_sys_path=added),
    )

    def at(where):
        return {"line": where[0] + 1, "column": where[1]}

    (signature,) = script.get_signatures(**at(OPERATION))
    assert [each.name for each in signature.params][:3] == ["group", "message", "excluded"]
    assert "group: str, message: Any, *, excluded: list[str] | None=None" in signature.to_string()
    (helped,) = script.help(5 + 1, OPERATION[1] - 2)
    assert "Send a message to every connection of a group." in helped.docstring()
    found = {each.name for each in script.complete(**at(BEGUN))}
    assert found == {"send_to_all", "send_to_group", "send_to_user", "send_to_connection", "send_request"}
    (defined,) = script.goto(5 + 1, OPERATION[1] - 2, follow_imports=True)
    assert Path(defined.module_path).name == "_client.py"

    parameters = [each.name for found in script.get_signatures(**at(CONSTRUCTOR)) for each in found.params]
    assert {"endpoint", "credential", "hub"} <= set(parameters)
    (from_text,) = script.get_signatures(**at(CONNECTION_STRING))
    assert [each.name for each in from_text.params][:2] == ["connection_string", "hub"]
    (helped,) = script.help(4 + 1, CONNECTION_STRING[1] - 2)
    assert "Make a client from a connection string" in helped.docstring()
