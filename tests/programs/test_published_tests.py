"""The published versions' own test files run with this library, without a change, against the emulator over TLS.

``stand_ins`` has what they import besides: the test tools of their repository, and the private parts that they read.
"""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import trustme
from interop.interop_packages import source_of
from local_servers import SocketServer, relay, server_context

import azure.messaging.webpubsubservice as package

pytestmark = pytest.mark.interop

STAND_INS = Path(__file__).with_name("stand_ins")
ROOT = Path(package.__file__).parents[3]
WAIT = 100
# One asks for a host of the internet, and takes the look-up's failure for its success.
LEFT_OUT = "test_webpubsub_send_to_all_api_management_proxy_counter_test"
PASSED = {"1.0.0b1": 5, "1.2.2": 71, "1.3.0": 73}


@pytest.fixture(scope="module")
def over_tls(entra_service, tmp_path_factory):
    """Environment variables of a process that reaches the emulator by https."""
    authority = trustme.CA()
    file = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(file)
    port = int(entra_service.endpoint.rpartition(":")[2])

    def serve(connection, _):
        with socket.create_connection(("127.0.0.1", port)) as upstream:
            relay(connection, upstream)

    with SocketServer(serve, context=server_context(authority.issue_cert("localhost"))) as server:
        yield {
            "SSL_CERT_FILE": str(file),
            "REQUESTS_CA_BUNDLE": str(file),
            "ENDPOINT": server.url,
            "REVERSE_PROXY_ENDPOINT": server.url,
            "CONNECTION_STRING": f"Endpoint={server.url};AccessKey={entra_service.access_key};Version=1.0;",
        }


@pytest.mark.parametrize("version", PASSED)
def test_own_tests_of_a_published_version_pass(version, over_tls):
    folder = source_of(f"azure-messaging-webpubsubservice=={version}") / "tests"
    paths = [str(STAND_INS), *([] if ROOT.name == "site-packages" else [str(ROOT)])]
    one = f"test_smoke.py::TestWebpubsubSmoke::{LEFT_OUT}"
    options = ["-c", os.devnull, "--rootdir", str(folder), "--deselect", one, "-o", "asyncio_mode=auto"]
    options += ["-p", "pytest_asyncio.plugin", "-p", "private_parts", "-p", "no:cacheprovider"]
    variables = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1", **over_tls}
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *options, str(folder)],
        cwd=folder,
        env={**os.environ, **variables, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-6000:]
    passed = re.search(r"(\d+) passed", run.stdout)
    assert passed, run.stdout
    assert int(passed[1]) == PASSED[version], run.stdout[-3000:]
