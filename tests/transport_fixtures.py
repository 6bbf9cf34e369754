"""Fixtures of the transports' tests, which name this file as a plugin of theirs."""

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
