"""Fixtures for the tests of the client library: one emulator a process, clients of both colours, WebSockets.

Nothing heavy is imported here, for the tests of the other parts load this file too.
"""

import contextlib
import gc
import itertools
import os
import signal
import sys
from urllib.parse import unquote

import pytest
from colours import WAIT, Colour, Plain, WebSocket
from hypothesis import settings

# Byte code is kept, whatever the environment says: without it each worker compiles the tests, and each of the hundreds
# of programs that they start compiles the library, in every run.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

settings.register_profile("suite", max_examples=25, deadline=None)
# A change is not to fail for what a draw of inputs finds in another part; benchmarks/fuzz.py goes on looking.
settings.register_profile("ci", settings.get_profile("suite"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "suite")

_numbers = itertools.count(1)


def pytest_addoption(parser):
    parser.addoption(
        "--azure-transport",
        action="store_true",
        help="run the clients on azure-core's own transports, made by the caller",
    )
    parser.addoption(
        "--live",
        action="store_true",
        help="run the tests of docs/fidelity.md against the service of WEBPUBSUB_CONNECTION_STRING, row by row",
    )


def pytest_configure():
    """Let the tests' processes begin with Ctrl-C's own meaning, where this one was told to ignore it.

    ``nohup`` in a script and ``&`` do. Children inherit what is ignored, and would never end; a handler they don't.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda *_: None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """With -n auto, two workers more than there are processors: some test always waits for a limit or a process."""
    return None if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else (os.cpu_count() or 1) + 2


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """With -n alone, give whole files to the workers: a file's browser, documentation or programs then start once."""
    if config.getoption("dist") != "load":
        return None
    from xdist.scheduler import LoadFileScheduling

    config.option.loadscopereorder = False  # files of few tests are not the short ones here
    return LoadFileScheduling(config, log)


def pytest_collection_modifyitems(config, items):
    """With --azure-transport, leave out what has no client from ``connect``, and what its mark says is ours alone."""
    if config.getoption("live"):
        from live_service import choose, connection_string

        connection_string()
        chosen = choose(items)
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen
    if not config.getoption("azure_transport"):
        return
    others = [item for item in items if "connect" not in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if "connect" in getattr(item, "fixturenames", ())]
    for item in items:
        for mark in item.iter_markers("own_transport"):
            colour = mark.kwargs.get("colour")
            of_item = getattr(item, "callspec", None)  # without one it has one colour, which is the mark's
            if colour is None or of_item is None or colour == of_item.params.get("colour", colour):
                item.add_marker(pytest.mark.skip(reason=f"about our own transport: {mark.args[0]}"))


def pytest_collection_finish():
    """Leave what is here now out of the collections of garbage: it stays, and would take a quarter of a second each."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter, config):
    if config.getoption("live"):
        from live_service import write_summary

        write_summary(terminalreporter)


@pytest.fixture(params=["sync", "aio"])
def colour(request):
    """Either colour; a test with it runs twice."""
    result = Colour(request.param)
    yield result
    result.close()


@pytest.fixture
def repeats_itself(colour, pytestconfig):
    """Whether aiohttp sends, where a request other than a send was dropped without an answer: it repeats that once."""
    return colour.name == "aio" and pytestconfig.getoption("azure_transport")


@pytest.fixture
def as_sent(repeats_itself):
    """Makes URLs equal that are one: where aiohttp sends for the caller, it writes some escapes anew."""
    return unquote if repeats_itself else str


@pytest.fixture
def connect(colour, pytestconfig):
    """Makes a client from the constructor's arguments, and closes it at the end."""
    with contextlib.ExitStack() as stack:

        def make(*args, **kwargs):
            if pytestconfig.getoption("azure_transport") and "transport" not in kwargs:
                # The one option of a client's that such a transport takes when it is made, and not with a request.
                of_transport = {name: kwargs[name] for name in ("use_env_settings",) if name in kwargs}
                kwargs["transport"] = colour.azure_transport(**of_transport)
            client = Plain(colour, colour.client_class(*args, **kwargs))
            stack.callback(client.close)
            return client

        yield make


@pytest.fixture(scope="session")
def service():
    """The emulator, one for each process; tests keep apart by their hubs."""
    from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator

    with WebPubSubEmulator() as emulator:
        yield emulator


@pytest.fixture(scope="session")
def entra_service():
    """An emulator that takes any bearer token for one of Entra ID."""
    from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator

    with WebPubSubEmulator(accept_entra_tokens=True) as emulator:
        yield emulator


@pytest.fixture
def hub():
    """A hub that no other test uses."""
    return f"hub{next(_numbers)}"


@pytest.fixture
def client(connect, service, hub):
    """A client of the emulator's, with an access key and a hub of its own."""
    from azure.core.credentials import AzureKeyCredential

    return connect(service.endpoint, AzureKeyCredential(service.access_key), hub=hub)


@pytest.fixture
def sockets():
    """Opens WebSockets, by default of the JSON subprotocol, from a URL; closes them at the end."""
    from websockets.sync.client import connect as open_socket

    with contextlib.ExitStack() as stack:

        def make(url, subprotocol="json.webpubsub.azure.v1"):
            socket = stack.enter_context(
                open_socket(url, subprotocols=subprotocol and [subprotocol], proxy=None, open_timeout=WAIT)
            )
            return WebSocket(socket)

        yield make


@pytest.fixture
def join(sockets, service, hub):
    """Opens a WebSocket in the test's own hub."""

    def make(user_id=None, roles=None, groups=None, subprotocol="json.webpubsub.azure.v1"):
        return sockets(service.client_url(hub, user_id=user_id, roles=roles, groups=groups), subprotocol)

    return make


@pytest.fixture
def recorder():
    """A server that records requests and answers each with what ``recorder.respond`` is, or returns."""
    from local_servers import ACCEPTED, HttpServer

    with HttpServer(ACCEPTED) as server:
        yield server
