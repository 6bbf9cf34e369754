"""A fresh emulator for each test (it starts in a millisecond), a REST caller, and sockets that close by themselves."""

import contextlib
import json

import pytest
from emulator_peers import Caller
from websockets.sync.client import connect


@pytest.fixture
def emulator(pytestconfig):
    """The emulator; with ``--live``, the service of the connection string in its place."""
    if pytestconfig.getoption("live"):
        from live_service import LiveService, connection_string

        yield LiveService(connection_string())
        return
    from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator

    with WebPubSubEmulator() as running:
        yield running


@pytest.fixture
def rest(emulator):
    return Caller(emulator)


@pytest.fixture
def open_socket(emulator):
    """Opens a client; ``protocol=None`` makes a simple one. Reads the ``connected`` frame away."""
    with contextlib.ExitStack() as stack:

        def make(hub="chat", *, protocol="json.webpubsub.azure.v1", at=None, query="", url=None, **claims):
            url = (url or (at or emulator).client_url(hub, **claims)) + query
            socket = stack.enter_context(
                connect(url, subprotocols=[protocol] if protocol else None, proxy=None, close_timeout=1, max_size=None)
            )
            if protocol and "json" in protocol and "awps_connection_id" not in url:
                socket.connected_frame = json.loads(socket.recv(timeout=5))
                socket.connection_id = socket.connected_frame["connectionId"]
            return socket

        yield make
