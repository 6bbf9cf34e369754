"""What the environment says of proxies and authorities: fresh processes, real TLS and proxy servers, both clients."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import trustme
from local_servers import ACCEPTED, ForwardProxy, HttpServer, SocksProxy, server_context

import azure.messaging.webpubsubservice as package

ROOT = Path(package.__file__).parents[3]
WAIT = 60
CLEARED = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "REQUEST_METHOD")
CLEARED += ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
PROGRAM = """
import asyncio, os
from azure.core.credentials import AzureKeyCredential
from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient as AsyncClient

options = {"hub": "chat", "retry_total": 2, "retry_backoff_factor": 0, **eval(os.environ["OPTIONS"])}
arguments = (os.environ["ENDPOINT"], AzureKeyCredential("a-key"))

def sync():
    with WebPubSubServiceClient(*arguments, **options) as client:
        client.send_to_all("x")

async def aio():
    async with AsyncClient(*arguments, **options) as client:
        await client.send_to_all("x")

for send in (sync, lambda: asyncio.run(aio())):
    try:
        send()
        print("sent")
    except Exception as error:
        print(type(error).__name__, str(error).splitlines()[0])
"""
UNTRUSTED = r"ServiceRequestError .*CERTIFICATE_VERIFY_FAILED.*"
REFUSED = "ClientAuthenticationError .*"
SENT = "sent"
TRUST = {"SSL_CERT_FILE": "{ca}"}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """The servers, and what variables may name."""
    folder = tmp_path_factory.mktemp("authorities")
    ca, other = trustme.CA(), trustme.CA()
    for name, each in (("ca", ca), ("other", other)):
        each.cert_pem.write_to_path(folder / f"{name}.pem")
    directory = folder / "directory"
    directory.mkdir()
    openssl = shutil.which("openssl")
    if openssl is not None:  # a directory holds its authorities by the hashes of their names
        command = [openssl, "x509", "-noout", "-hash", "-in", str(folder / "ca.pem")]
        digest = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
        shutil.copy(folder / "ca.pem", directory / f"{digest}.0")
    with (
        HttpServer(ACCEPTED, context=server_context(ca.issue_cert("localhost"))) as service,
        ForwardProxy() as proxy,
        ForwardProxy(credentials="Basic nobody") as closed,
        SocksProxy() as socks,
    ):
        yield {
            "service": service,
            "proxies": {"proxy": proxy, "closed": closed, "socks": socks},
            "ca": str(folder / "ca.pem"),
            "other": str(folder / "other.pem"),
            "dir": str(directory),
            "missing": str(folder / "missing"),
            "proxy": proxy.url,
            "closed": closed.url.replace("://", "://ada:wrong@"),
            "socks": f"socks5h://localhost:{socks.port}",
            "sep": os.pathsep,
        }


ROWS = [
    # variables, options of the clients, the proxy on the way, what each of the clients says
    ({"SSL_CERT_FILE": "{ca}"}, {}, None, SENT, SENT),
    ({"SSL_CERT_FILE": "{other}"}, {}, None, UNTRUSTED, UNTRUSTED),
    ({"SSL_CERT_FILE": "{missing}"}, {}, None, UNTRUSTED, UNTRUSTED),
    ({"SSL_CERT_DIR": "{dir}"}, {}, None, SENT, SENT),
    ({"SSL_CERT_DIR": "{missing}{sep}{dir}"}, {}, None, SENT, SENT),
    ({"SSL_CERT_FILE": "{missing}", "SSL_CERT_DIR": "{dir}"}, {}, None, SENT, SENT),
    ({"REQUESTS_CA_BUNDLE": "{ca}", "SSL_CERT_FILE": "{other}"}, {}, None, SENT, SENT),
    ({"CURL_CA_BUNDLE": "{ca}"}, {}, None, SENT, SENT),
    ({"REQUESTS_CA_BUNDLE": "{missing}"}, {}, None, ".*REQUESTS_CA_BUNDLE.*", ".*REQUESTS_CA_BUNDLE.*"),
    ({"SSL_CERT_FILE": "{other}"}, {"connection_verify": "{ca}"}, None, SENT, SENT),
    ({"SSL_CERT_FILE": "{ca}"}, {"use_env_settings": False}, None, UNTRUSTED, UNTRUSTED),
    ({**TRUST, "HTTPS_PROXY": "{proxy}"}, {}, "proxy", SENT, SENT),
    ({**TRUST, "https_proxy": "{proxy}"}, {}, "proxy", SENT, SENT),
    ({**TRUST, "ALL_PROXY": "{proxy}"}, {}, "proxy", SENT, SENT),
    ({**TRUST, "HTTP_PROXY": "{proxy}"}, {}, None, SENT, SENT),
    ({**TRUST, "HTTPS_PROXY": "{proxy}", "NO_PROXY": "localhost"}, {}, None, SENT, SENT),
    ({**TRUST, "HTTPS_PROXY": "{proxy}", "no_proxy": "*"}, {}, None, SENT, SENT),
    (
        {**TRUST, "HTTPS_PROXY": "{closed}"},
        {},
        "closed",
        "ClientAuthenticationError .*",
        "ClientAuthenticationError .*",
    ),
    ({**TRUST, "HTTPS_PROXY": "{closed}"}, {"proxies": {"https": "{proxy}"}}, "proxy", SENT, SENT),
    ({**TRUST, "ALL_PROXY": "{socks}"}, {}, "socks", SENT, "ServiceRequestError .*[Ss][Oo][Cc][Kk][Ss].*"),
]


@pytest.mark.parametrize("row", ROWS, ids=[" ".join(f"{k}={v}" for k, v in row[0].items()) for row in ROWS])
def test_environment_counts_for_both_clients(world, row):
    variables, options, through, *expected = row
    if "SSL_CERT_DIR" in variables and not os.listdir(world["dir"]):
        pytest.skip("there is no openssl that names an authority's file")
    named = {name: value for name, value in world.items() if isinstance(value, str)}
    environment = {name: value for name, value in os.environ.items() if name not in CLEARED}
    environment.update({name: value.format_map(named) for name, value in variables.items()})
    environment["ENDPOINT"] = world["service"].url
    environment["OPTIONS"] = repr(options)
    for name, value in named.items():
        environment["OPTIONS"] = environment["OPTIONS"].replace(f"{{{name}}}", value)
    if ROOT.name != "site-packages":
        environment["PYTHONPATH"] = str(ROOT)
    seen = {name: len(each.seen) for name, each in world["proxies"].items()}
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=WAIT, check=False
    )
    assert run.returncode == 0, run.stderr
    for said, wanted in zip(run.stdout.splitlines(), expected, strict=True):
        assert re.fullmatch(wanted, said), run.stdout
    assert "wrong" not in run.stdout
    asked = {name: len(each.seen) - seen[name] for name, each in world["proxies"].items()}
    clients = 1 if through == "socks" else 2
    assert asked == {name: clients if name == through else 0 for name in asked}
