"""The arrows between modules, read from the imports: they go one way, and the three parts stand apart."""

import ast
import functools
import sys
from pathlib import Path

import pytest

import azure.messaging.webpubsubservice as package

ROOT = Path(package.__file__).parent
NAME = package.__name__
PARTS = ("emulator", "eventhandler")  # each stands apart
COMMAND = ("command", "__main__")  # uses all, and is used by none
FORBIDDEN_NAMES = {"utils", "helpers", "common", "core", "base"}


def module_name(file):
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_type_checking(node):
    return isinstance(node, ast.If) and getattr(node.test, "id", None) == "TYPE_CHECKING"


@functools.cache
def tree_of(file):
    return ast.parse(file.read_text("utf-8"))


@functools.cache
def imports_of(file, *, when_loaded=False):
    """Return what a module imports: our own modules as ``.name``, others by their names.

    With ``when_loaded``, only what is imported when the module is, neither in a function nor for type checkers.
    """
    found = set()
    package_parts = file.relative_to(ROOT).parent.parts

    def visit(node, *, typing=False):
        if isinstance(node, ast.Import):
            found.update(each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            above = package_parts[: len(package_parts) - node.level + 1]
            base = ".".join([*above, *([node.module] if node.module else [])])
            if node.module:
                found.add(f".{base}")
            else:
                found.update("." + ".".join([*above, each.name]) for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module)
        for child in ast.iter_child_nodes(node):
            inside_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            if when_loaded and (inside_function or (is_type_checking(node) and child in node.body)):
                continue
            visit(child)

    visit(tree_of(file))
    return {f".{each.removeprefix(NAME).lstrip('.')}" if each.startswith(NAME) else each for each in found}


FILES = {module_name(file): file for file in ROOT.rglob("*.py")}
CLIENT = {name: file for name, file in FILES.items() if name.partition(".")[0] not in {*PARTS, *COMMAND}}


# What a connection string is, the client says: it is no request path.
SHARED = {"emulator": {"._version"}, "eventhandler": {"._endpoint"}}


@pytest.mark.parametrize("part", PARTS)
def test_part_imports_no_request_path_of_the_client(part):
    for name, file in FILES.items():
        if name.partition(".")[0] == part:
            own = {each for each in imports_of(file) if each.startswith(".")}
            assert {each for each in own if each.split(".")[1] != part} <= SHARED[part], name


def test_client_imports_neither_emulator_nor_event_handler():
    for name, file in CLIENT.items():
        assert not {each for each in imports_of(file) if each.startswith(".") and each.split(".")[1] in PARTS}, name


def test_command_uses_what_is_public_and_nothing_uses_it():
    allowed = {"._version", ".WebPubSubServiceClient", ".ClientAccessToken"}
    allowed |= {f".{part}.__main__" for part in PARTS}
    for name, file in FILES.items():
        own = {each for each in imports_of(file) if each.startswith(".")}
        of_command = {each for each in own if each.split(".")[1] in COMMAND}
        if name.partition(".")[0] in COMMAND:
            assert own - of_command <= allowed, name
        else:
            assert not of_command, name


def test_verbs_load_packages_when_they_run():
    for name, file in FILES.items():
        if name.partition(".")[0] in COMMAND and name != "command._following":  # which 'subscribe' loads
            loaded = {each.partition(".")[0] for each in imports_of(file, when_loaded=True) if each[0] != "."}
            assert loaded <= {*sys.stdlib_module_names} - {"asyncio", "logging", "ssl"}, name


def test_builders_know_only_how_requests_are_made():
    for name, file in FILES.items():
        if name.startswith("rest."):
            own = {each for each in imports_of(file) if each.startswith(".")}
            assert own <= {"._request", "._body", "._types"}, name
            assert imports_of(file, when_loaded=True) <= {"__future__", "typing", *own}, name


def test_builders_have_no_branches():
    for name, file in FILES.items():
        if name.startswith("rest."):
            for node in ast.walk(tree_of(file)):
                if isinstance(node, ast.FunctionDef):
                    _, statement = node.body
                    assert isinstance(statement, ast.Return), (name, node.name)
                    assert not any(isinstance(each, ast.If | ast.IfExp | ast.For) for each in ast.walk(statement))


ARROWS = {  # each module, and all that it may import of ours
    "_names": {"._pickling"},
    "_pickling": set(),
    "_body": {"._names"},
    "_endpoint": set(),
    "_models": set(),
    "_version": set(),
    "filters": {"._names"},
    "_request": {"._names", "._body", "._types"},
    "_tokens": {"._names", "._endpoint", "._types"},
    "_answers": {"._types", "._errors", "._configuration"},
    "_options": {"._request", "._names"},
}


@pytest.mark.parametrize("name", ARROWS)
def test_pure_module_imports_only_what_lies_below_it(name):
    imported = imports_of(FILES[name])
    assert {each for each in imported if each.startswith(".")} <= ARROWS[name]
    does_io = {"socket", "http.client", "urllib.request", "ssl", "asyncio", "threading", "os", "subprocess"}
    assert not imported & does_io


ROOMS = {  # each room and each file above them in the emulator, and all that it may import of the emulator's
    "hub": set(),
    "protocols": {"hub"},
    "rest": {"hub"},
    "_clock": set(),
    "_faults": set(),
    "_record": {"hub", "_record_table"},
    "_record_table": set(),
    "webhooks": {"hub", "protocols", "_record"},
    "server": {"hub", "protocols", "rest", "webhooks", "_clock", "_faults", "_record"},
    "console": {"hub", "protocols", "rest", "webhooks", "server", "_clock", "_faults", "_record"},
    "_settings": {"hub", "webhooks"},
    "_settings_file": {"webhooks", "_settings"},
    "_settings_watch": set(),
    "_arrivals": {"_record"},
    "_client": {"_arrivals", "_record"},
    "_client_async": {"_arrivals", "_client"},
    "_connector": {"_client", "_client_async"},
    "_forks": set(),
    "_loop_thread": set(),
    "_emulator": {
        *("hub", "protocols", "rest", "webhooks", "server", "console"),
        *("_clock", "_faults", "_record", "_settings", "_client", "_connector", "_forks", "_loop_thread"),
    },
}
READS_THE_WORLD = {
    "asyncio",
    "aiohttp",
    "datetime",
    "logging",
    "os",
    "random",
    "secrets",
    "socket",
    "threading",
    "time",
}


def files_of_room(room):
    return {name: file for name, file in FILES.items() if f"{name}.".startswith(f"emulator.{room}.")}


@pytest.mark.parametrize("room", ROOMS)
def test_room_of_the_emulator_imports_only_what_lies_below_it(room):
    files = files_of_room(room)
    assert files
    for name, file in files.items():
        own = {each.split(".")[2] for each in imports_of(file) if each.startswith(".emulator.")}
        assert own <= {room, *ROOMS[room]}, name


def test_rooms_and_what_users_hold_are_all_there_is_in_the_emulator():
    there = {name.split(".")[1] for name in FILES if name.startswith("emulator.")}
    assert there == {*ROOMS, "__main__", "_command_settings", "pytest_plugin"}


@pytest.mark.parametrize("room", ["hub", "protocols", "rest"])
def test_room_of_rules_reads_no_clock_no_chance_and_no_socket(room):
    for name, file in files_of_room(room).items():
        assert not {each.partition(".")[0] for each in imports_of(file)} & READS_THE_WORLD, name


def test_no_module_imports_itself_in_a_circle():
    graph = {
        name: {
            each[1:]
            for each in imports_of(file, when_loaded=True)
            if each.startswith(".") and each[1:] in FILES and each[1:] != name
        }
        for name, file in FILES.items()
    }
    done, open_ = set(), []

    def visit(name):
        assert name not in open_, f"{' -> '.join([*open_, name])}"
        if name not in done:
            open_.append(name)
            for each in sorted(graph[name]):
                visit(each)
            open_.pop()
            done.add(name)

    for name in sorted(graph):
        visit(name)
    assert done == set(FILES)


def test_heavy_packages_are_imported_only_where_they_are_needed():
    heavy = {
        "azure.core",
        "requests",
        "aiohttp",
        "msrest",
        "urllib3",
        "isodate",
        "cryptography",
        "jwt",
        "opentelemetry",
    }
    loading = {
        name
        for name, file in CLIENT.items()
        if any(each.startswith(tuple(heavy)) for each in imports_of(file, when_loaded=True))
    }
    assert not loading & {
        *ARROWS,
        "",
        "aio",
        "aio._client",
        "_client",
        "_configuration",
        "_outgoing",
        "_paging",
        "_types",
        *(name for name in FILES if name.startswith("rest")),
    }


def test_client_never_imports_what_only_the_emulator_needs():
    emulators = {"aiohttp", "google", "jwt", "multidict", "websockets", "yarl"}
    for name, file in CLIENT.items():
        if name not in ("aio._transport", "aio._connections"):
            assert not {each for each in imports_of(file) if each.partition(".")[0] in emulators}, name


def test_modules_are_short_and_named_after_their_subject():
    for name, file in FILES.items():
        assert not FORBIDDEN_NAMES & {part.strip("_") for part in name.split(".")}, name
        assert ast.get_docstring(tree_of(file)), name


def test_namespaces_belong_to_many_distributions():
    assert not (ROOT.parent / "__init__.py").exists()
    assert not (ROOT.parent.parent / "__init__.py").exists()
