"""Fixtures of the transports' tests, which name this file as a plugin of theirs."""

import asyncio
import contextlib
import gc
import os

import pytest
import trustme
from local_servers import server_context
from transport_wires import AioWire, SyncWire


@pytest.fixture(params=[SyncWire, AioWire], ids=["sync", "aio"])
def wire(request):
    wire = request.param().configure()
    yield wire
    wire.close()
    if wire.kind == "aio":
        wire.run(wire.loop.shutdown_asyncgens())
        wire.loop.close()


@pytest.fixture
def sync_wire():
    wire = SyncWire().configure()
    yield wire
    wire.close()


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(authority):
    return server_context(authority.issue_cert("localhost"))


@pytest.fixture
def ca_file(authority, tmp_path):
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


@pytest.fixture(scope="module")
def own_garbage():
    """Leave what other files made and imported out of the collections, which would take a quarter of a second each."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def run(own_garbage):
    """Runs a coroutine, and fails if it leaves a task or a socket, or if anything went wrong out of sight."""
    noticed = []

    def start(main):
        async def checked():
            asyncio.get_running_loop().set_exception_handler(lambda _, context: noticed.append(context))
            await main()
            assert asyncio.all_tasks() == {asyncio.current_task()}

        asyncio.run(checked())

    before = sockets()
    yield start
    gc.collect()
    assert noticed == []
    assert sockets() <= before


def sockets():
    """Count this process's sockets, where that can be done."""
    count = 0
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                count += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
    return count
