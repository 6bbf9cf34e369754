"""Every Python example in a docstring of the package runs, against an emulator."""

import ast
import asyncio
import functools
import inspect
import re
import textwrap
from pathlib import Path

import pytest

from azure.messaging import webpubsubservice

PACKAGE = Path(webpubsubservice.__file__).parent
FRAMEWORKS = ("fastapi", "flask", "werkzeug", "django", "aiohttp")
BLOCK = re.compile(r"^( *)(?:\.\. code-block:: python|.*\bExample::)\n((?:\n|\1 {4}.*\n?)+)", re.MULTILINE)


@functools.cache
def docstrings(path):
    """Give the name and the docstring of a module and of its classes and functions."""
    found = []

    def visit(node):
        text = ast.get_docstring(node)
        if text:
            found.append((getattr(node, "name", "module"), text + "\n"))
        for child in node.body:
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return found


def examples():
    """Give each docstring with examples; those of one docstring are one program."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for name, text in docstrings(path):
            blocks = [textwrap.dedent(block[1]) for block in BLOCK.findall(text)]
            if blocks:
                where = path.relative_to(PACKAGE)
                yield pytest.param(where, "\n".join(blocks), id=f"{where}-{name}")


EXAMPLES = list(examples())


def test_examples_are_found_and_are_of_the_form_that_is_run():
    assert len(EXAMPLES) >= 10
    for path in PACKAGE.rglob("*.py"):
        for _, text in docstrings(path):
            assert len(BLOCK.findall(text)) == text.count("code-block") + text.count("Example::"), path
            if path.is_relative_to(PACKAGE / "aio") or path.parent in (PACKAGE, PACKAGE / "rest"):
                assert "code-block" not in text, path  # after it, editors show all as code
            assert ">>> " not in text, path


@pytest.mark.parametrize(("where", "source"), EXAMPLES)
def test_example_runs(where, source, service):
    for framework in FRAMEWORKS:
        if re.search(rf"^(?:from|import) {framework}\b", source, re.MULTILINE):
            pytest.importorskip(framework, reason=f"{framework} is not installed")
    if where.parts[0] == "aio":
        from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient
    else:
        from azure.messaging.webpubsubservice import WebPubSubServiceClient
    code = compile(source, str(where), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)

    async def run():
        client = WebPubSubServiceClient.from_connection_string(service.connection_string, hub="docstrings")
        names = {"client": client, "connection_string": service.connection_string, "__name__": "example"}
        async with service.connect("docstrings", user_id="ada", subprotocol="json.webpubsub.azure.v1") as ada:
            result = eval(code, {**names, "connection_id": ada.connection_id})
            if inspect.isawaitable(result):
                await result
        closing = client.close()
        if inspect.isawaitable(closing):
            await closing

    asyncio.run(run())
