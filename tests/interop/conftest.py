"""Fixtures for the published clients: an emulator, the processes that run them, and peers that go away after a test."""

import contextlib
import itertools
import sys

import pytest

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def node():
    """The Node process in which JavaScript clients run."""
    from interop_driver import Driver
    from interop_packages import HERE, node_modules

    driver = Driver(["node", str(HERE / "published_clients.mjs"), str(node_modules())])
    yield driver
    driver.close()


@pytest.fixture(scope="session")
def python():
    """The process in which the published Python WebSocket clients run, with this process's own packages."""
    from interop_driver import Driver
    from interop_packages import HERE

    pytest.importorskip("azure.messaging.webpubsubclient", reason="azure-messaging-webpubsubclient is not installed")
    driver = Driver([sys.executable, str(HERE / "published_websocket.py")])
    yield driver
    driver.close()


@pytest.fixture(scope="session")
def published():
    """A process with the published Python service client."""
    from interop_driver import Driver
    from interop_packages import HERE, python_with

    interpreter = python_with("azure-messaging-webpubsubservice==1.3.0", "aiohttp")
    # -I keeps PYTHONPATH and the current folder out, and with them this repository.
    driver = Driver([interpreter, "-I", str(HERE / "published_service.py")])
    yield driver
    driver.close()


@pytest.fixture(scope="session")
def _interop_emulator():
    from interop_events import event_handler

    from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator

    with WebPubSubEmulator(event_handlers={"_default": event_handler()}) as emulator:
        yield emulator


@pytest.fixture
def emulator(_interop_emulator):
    """An emulator with an event handler for every hub, as new for each test."""
    _interop_emulator.reset()
    yield _interop_emulator
    _interop_emulator.reset()


@pytest.fixture
def hub():
    return f"interop{next(_numbers)}"


@pytest.fixture
def peer(request, emulator, hub):
    """Makes published WebSocket clients that start in the test's hub, and stops them all in the end."""
    from interop_peers import make_peer

    with contextlib.ExitStack() as stack:

        def make(kind, user_id=None, roles=("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup"), groups=(), **options):
            urls = options.pop("urls", None) or [emulator.client_url(hub, user_id, roles, groups)]
            made = make_peer(kind, request.getfixturevalue, urls, **options)
            stack.callback(made.dismiss)
            return made

        yield make


@pytest.fixture
def rest(emulator, hub):
    """The service client of this package, for what a test needs to happen."""
    from azure.messaging.webpubsubservice import WebPubSubServiceClient

    with WebPubSubServiceClient.from_connection_string(emulator.connection_string, hub=hub) as client:
        yield client


@pytest.fixture
def service(emulator):
    """What the fixture ``join`` of all tests opens its WebSockets at."""
    return emulator


@pytest.fixture
def publish(request, emulator, hub):
    """Makes published service clients of the test's hub, and closes them in the end."""
    from interop_services import make_service

    with contextlib.ExitStack() as stack:

        def make(kind):
            made = make_service(kind, request.getfixturevalue, emulator.connection_string, hub)
            stack.callback(made.dismiss)
            return made

        yield make
