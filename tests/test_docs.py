"""The API reference is complete, and builds without a warning."""

import importlib
import inspect
import os
import re
import subprocess
import sys
import zlib
from dataclasses import is_dataclass
from enum import Enum
from html import unescape
from pathlib import Path
from typing import is_typeddict

import pytest

DOCS = Path(__file__).parent.parent / "docs"
NAME = "azure.messaging.webpubsubservice"
MODULES = [NAME, *(f"{NAME}.{part}" for part in ("aio", "rest", "filters", "eventhandler", "emulator"))]


def public_names(module):
    names = getattr(module, "__all__", None)
    if names is None:
        here = vars(module).items()
        names = [
            name for name, it in here if name[0] != "_" and getattr(it, "__module__", "").startswith(module.__name__)
        ]
    return [name for name in names if not name.startswith("__")]


def public_objects():
    for name in MODULES:
        pytest.importorskip("aiohttp", reason="aiohttp is not installed")
        module = importlib.import_module(name)
        for public in public_names(module):
            yield f"{name}.{public}", getattr(module, public)


def members(kind):
    """Return the public methods and properties of a class."""
    return {
        name: member
        for base in reversed(kind.__mro__)
        if base.__module__.startswith(NAME)
        for name, member in vars(base).items()
        if not name.startswith("_") and (inspect.isroutine(member) or isinstance(member, property | staticmethod))
    }


def attributes(kind):
    """Return the names of the public attributes of a class that are no methods: fields, and what its code assigns."""
    found = set()
    for base in kind.__mro__:
        if base.__module__.startswith(NAME):
            found |= {name for name in vars(base).get("__annotations__", {}) if not name.startswith("_")}
            if not is_dataclass(base) and not is_typeddict(base):
                found |= set(re.findall(r"^ +self\.([a-z]\w*)(?::| =)", inspect.getsource(base), re.MULTILINE))
    return found


def documented_attributes(kind):
    """Return the names that a class tells about: in its docstring, or in a docstring or comment of the attribute."""
    from sphinx.pycode import ModuleAnalyzer

    bases = [base for base in kind.__mro__ if base.__module__.startswith(NAME)]
    if is_typeddict(kind):  # its bases are not among __mro__
        others = [other for _, other in public_objects() if is_typeddict(other)]
        bases += [other for other in others if other.__annotations__.items() <= kind.__annotations__.items()]
    found = set()
    for base in bases:
        found |= set(re.findall(r":(?:ivar|param|keyword)\b[^:]*?(\w+):", base.__doc__ or ""))
        of_module = ModuleAnalyzer.for_module(base.__module__).find_attr_docs()
        found |= {name for owner, name in of_module if owner == base.__qualname__}
    return found


def test_every_public_object_has_a_docstring():
    count = 0
    for name in MODULES:
        assert importlib.import_module(name).__doc__, name
    for name, public in public_objects():
        if inspect.isclass(public) or inspect.isroutine(public):
            count += 1
            assert inspect.getdoc(public), name
            # A dataclass without a docstring is given one that only repeats its signature.
            assert not public.__doc__.startswith(f"{public.__name__}("), name
    assert count > 50


def test_every_public_method_and_property_has_a_docstring():
    count = 0
    for name, public in public_objects():
        for member, value in members(public).items() if inspect.isclass(public) else ():
            count += 1
            assert inspect.getdoc(value), f"{name}.{member}"
    assert count > 100


def test_every_public_attribute_is_documented():
    pytest.importorskip("sphinx", reason="sphinx is not installed")
    count = 0
    for name, public in public_objects():
        if inspect.isclass(public):
            missing = attributes(public) - documented_attributes(public)
            count += len(attributes(public))
            assert not missing, f"{name}: {sorted(missing)}"
    assert count > 100


def test_every_parameter_is_documented():
    for name, public in public_objects():
        functions = members(public) if inspect.isclass(public) else {"": public} if inspect.isfunction(public) else {}
        for member, value in functions.items():
            if not inspect.isfunction(value):
                continue
            told = set(re.findall(r":(?:param|keyword)\b[^:]*?(\w+):", inspect.getdoc(value)))
            taken = inspect.signature(value).parameters.values()
            asked = {each.name for each in taken if each.kind is not each.VAR_KEYWORD} - {"self"}
            if name.startswith(f"{NAME}.rest."):  # the names in paths are told once, for all builders
                asked -= set(re.findall(r"``(\w+)``", importlib.import_module(f"{NAME}.rest").__doc__))
            assert asked <= told or not told, f"{name}.{member}: {sorted(asked - told)}"


def test_every_parameter_of_a_constructor_is_documented():
    count = 0
    for name, public in public_objects():
        if not inspect.isclass(public) or is_typeddict(public) or issubclass(public, Exception | Enum | dict):
            continue
        if public.__name__ in ("Connector", "WebSocketClient", "AsyncWebSocketClient"):
            continue  # emulator.connect makes them
        told = documented_attributes(public)
        for each in inspect.signature(public).parameters.values():
            count += 1
            assert each.name in told, f"{name}: {each.name}"
    assert count > 100


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    pytest.importorskip("sphinx", reason="sphinx is not installed")
    folder = tmp_path_factory.mktemp("docs")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-n", "-W", "-q", "-b", "html", "-d", folder / "doctrees", DOCS, folder],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return folder


def test_reference_builds_without_a_warning_and_holds_every_public_name(built):
    inventory = (built / "objects.inv").read_bytes()
    listing = zlib.decompress(inventory.split(b"\n", 4)[4]).decode()
    documented = {line.split(" ")[0] for line in listing.splitlines()}
    for name, public in public_objects():
        if inspect.isclass(public) or inspect.isroutine(public):
            assert name in documented
        for member in members(public) if inspect.isclass(public) else ():
            assert f"{name}.{member}" in documented


def text_of(html):
    return unescape(re.sub(r"<[^>]+>", "", html))


@pytest.mark.parametrize("page", ["client", "aio", "rest"])
def test_operations_stand_under_what_they_are_for(built, page):
    html = (built / "reference" / f"{page}.html").read_text("utf-8")
    subjects = {}
    for section in re.split(r"<h2>", html)[1:]:
        names = re.findall(r'<dt class="sig[^>]*id="[\w.]*?(?:build_)?(\w+?)(?:_request)?">', section)
        subjects[text_of(section.partition("</h2>")[0]).rstrip("¶")] = names
    assert {"send_to_all", "send_to_group", "send_to_user", "send_to_connection"} == set(subjects["Send messages"])
    assert "generate_client_token" in subjects["Let clients connect"]
    assert {"add_user_to_group", "remove_connection_from_all_groups"} < set(subjects["Groups"])
    assert {"user_exists", "list_connections_in_group"} < set(subjects["Who is here"])
    assert {"grant_permission", "check_permission"} < set(subjects["Permissions"])
    assert "close_all_connections" in subjects["Close connections"]
    rest = set(subjects["Anything else"]) - {"send", "close", "get_service_status", "healthapi_get_health_status"}
    assert not rest, f"under which heading? Give {rest} a word in SUBJECTS of docs/conf.py"


@pytest.mark.parametrize("page", ["client", "aio"])
def test_reference_of_a_client_names_each_parameter_of_its_constructor(built, page):
    from azure.messaging.webpubsubservice import ClientOptions

    html = (built / "reference" / f"{page}.html").read_text("utf-8")
    of_class = html[html.index('<dl class="py class">') : html.index("classmethod")].partition("Raises")[0]
    listed = re.findall(r"<p><strong>(\w+)</strong>", of_class)
    asked = {
        "endpoint",
        "credential_or_hub",
        "credential_after_hub",
        "hub",
        "credential",
        *ClientOptions.__annotations__,
    }
    assert asked == set(listed)
    assert len(listed) == len(set(listed))
    for option in ClientOptions.__annotations__:
        assert re.search(rf"<strong>{option}</strong> \(.+\) – \S", of_class), option
    assert "credential: AzureKeyCredential | " in text_of(of_class)


def test_signatures_are_read_as_python_is(built):
    pages = [page.read_text("utf-8") for page in (built / "reference").glob("*.html")]
    signatures = [text_of(each) for page in pages for each in re.findall(r'<dt class="sig.*?</dt>', page, re.DOTALL)]
    assert len(signatures) > 200
    for signature in signatures:
        assert "~" not in signature  # as where a default is no Python
        assert "<" not in signature


def test_reference_needs_no_network(built):
    for page in built.glob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.search(r'<(?:script|link|img)[^>]*(?:src|href)="(?:https?:)?//', text), page.name


def test_facts_that_the_code_refers_to_are_on_the_page_of_facts():
    page = (DOCS / "service-facts.md").read_text("utf-8")
    headings = {line.lstrip("#").strip() for line in page.splitlines() if line.startswith("##")}
    root = DOCS.parent
    files = [file for folder in ("azure", "tests") for file in (root / folder).rglob("*.py")]
    named = {
        " ".join(name.split())
        for file in files
        if "node_modules" not in file.parts
        for name in re.findall(r"service\s+facts,\s+([A-Z][A-Za-z\s]*?)[).;:]", file.read_text("utf-8"))
    }
    assert named
    assert named <= headings
