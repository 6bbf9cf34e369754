"""TLS with a CA made for the test."""

import shutil
import ssl
import subprocess
import sys

import pytest
import trustme
from azure.core.exceptions import (
    ServiceRequestError,
    ServiceResponseError,
)
from local_servers import (
    HttpServer,
    server_context,
)
from transport_wires import fails, get, post

from azure.messaging.webpubsubservice._configuration import Environment
from azure.messaging.webpubsubservice._transport import Urllib3Transport

pytest_plugins = ["transport_fixtures"]


def test_server_is_trusted_through_a_ca_file(wire, tls, ca_file):
    wire.configure(connection_verify=ca_file)
    with HttpServer(context=tls) as server:
        assert wire.send(post(server)).content == b"ok"
        assert wire.send(post(server)).content == b"ok"
    assert [request.connection for request in server.requests] == [0, 0]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command to name the file by its hash")
def test_server_is_trusted_through_a_ca_directory(wire, tls, ca_file, tmp_path):
    command = ["openssl", "x509", "-hash", "-noout", "-in", ca_file]
    name = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    directory = tmp_path / "certs"
    directory.mkdir()
    shutil.copy(ca_file, directory / f"{name}.0")
    wire.configure(connection_verify=str(directory))
    with HttpServer(context=tls) as server:
        assert wire.send(post(server)).content == b"ok"


def test_unknown_ca_is_refused_and_nothing_sent(wire, tls):
    with HttpServer(context=tls) as server:
        error = fails(wire, ServiceRequestError, post(server))
        assert "certificate verify failed" in str(error).lower()
        assert server.requests == []


def test_certificate_of_another_host_is_refused(wire, authority, ca_file):
    wire.configure(connection_verify=ca_file)
    with HttpServer(context=server_context(authority.issue_cert("other.example"))) as server:
        fails(wire, ServiceRequestError, post(server))
        assert server.requests == []


def test_verification_can_be_switched_off(wire, tls):
    wire.configure(connection_verify=False)
    with HttpServer(context=tls) as server:
        assert wire.send(post(server)).content == b"ok"


def test_verification_can_be_chosen_for_one_call(wire, tls, ca_file):
    with HttpServer(context=tls) as server:
        assert wire.send(post(server), connection_verify=ca_file).content == b"ok"
        assert wire.send(post(server), connection_verify=False).content == b"ok"
        fails(wire, ServiceRequestError, post(server))


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_ca_variables_of_the_environment_count(wire, tls, ca_file, variable):
    wire.configure(use_env_settings=True, environment=Environment({variable: ca_file}))
    with HttpServer(context=tls) as server:
        assert wire.send(post(server)).content == b"ok"
        wire.configure(use_env_settings=False, environment=Environment({variable: ca_file}))
        fails(wire, ServiceRequestError, post(server))


def test_environment_does_not_widen_an_explicit_ca(wire, tls, ca_file, tmp_path):
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    environment = Environment({"REQUESTS_CA_BUNDLE": ca_file})
    wire.configure(connection_verify=str(other), use_env_settings=True, environment=environment)
    with HttpServer(context=tls) as server:
        fails(wire, ServiceRequestError, post(server))


@pytest.fixture(scope="module")
def mutual_tls(authority):
    return server_context(authority.issue_cert("localhost"), client_ca=authority)


def test_client_certificate_is_shown(wire, authority, mutual_tls, ca_file, tmp_path):
    certificate = authority.issue_cert("client@example.org")
    both, one, key = (tmp_path / name for name in ("both.pem", "one.pem", "key.pem"))
    certificate.private_key_and_cert_chain_pem.write_to_path(both)
    certificate.cert_chain_pems[0].write_to_path(one)
    certificate.private_key_pem.write_to_path(key)
    with HttpServer(context=mutual_tls) as server:
        for choice in (str(both), (str(one), str(key))):
            wire.configure(connection_verify=ca_file, connection_cert=choice)
            assert wire.send(post(server)).content == b"ok"
        wire.configure(connection_verify=ca_file)
        assert wire.send(post(server), connection_cert=str(both)).content == b"ok"
        if wire.kind == "sync" or sys.version_info >= (3, 11):  # before, asyncio forgets to close such a connection
            with pytest.raises((ServiceRequestError, ServiceResponseError)):
                wire.send(post(server))


@pytest.mark.parametrize(
    ("options", "expected", "text"),
    [
        ({"connection_verify": "/none/ca.pem"}, FileNotFoundError, "connection_verify names no file or directory"),
        ({"connection_cert": "/none/cert.pem"}, FileNotFoundError, "connection_cert names no file"),
        ({"connection_verify": "GARBAGE"}, ValueError, r"connection_verify: .* holds no CA certificates"),
        ({"connection_cert": "GARBAGE"}, ValueError, "connection_cert: no usable certificate"),
        ({"connection_verify": 7}, TypeError, "connection_verify must be"),
        ({"connection_cert": ("a", "b", "c")}, ValueError, "connection_cert must be"),
    ],
)
def test_certificate_option_that_cannot_be_is_named(wire, tmp_path, options, expected, text):
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("garbage")
    wire.configure(**{name: str(garbage) if value == "GARBAGE" else value for name, value in options.items()})
    with pytest.raises(expected, match=text):
        wire.send(get("https://localhost:1"))


def test_ca_variable_that_names_nothing_is_named(wire):
    environment = Environment({"CURL_CA_BUNDLE": "/none/ca.pem"})
    wire.configure(use_env_settings=True, environment=environment)
    with pytest.raises(FileNotFoundError, match=r"CURL_CA_BUNDLE names no file or directory: '/none/ca.pem'"):
        wire.send(get("https://localhost:1"))


def test_default_trust_is_that_of_the_system_and_certifi():
    transport = Urllib3Transport(use_env_settings=False)
    context = transport._options.tls_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.cert_store_stats()["x509_ca"] > 50
    assert transport._options.tls_context() is context
