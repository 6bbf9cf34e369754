"""What the transports say when it fails: what surely was not sent, and what may have been."""

import gzip
import socket
import threading
import time

import pytest
from azure.core.exceptions import (
    IncompleteReadError,
    ServiceRequestError,
    ServiceRequestTimeoutError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)
from azure.core.rest import HttpRequest
from local_servers import (
    TIMEOUT,
    HttpServer,
    SocketServer,
    full_listener,
    refused_port,
)
from transport_wires import PATH, assert_no_secret, fails, post

pytest_plugins = ["transport_fixtures"]

SOON = 1.0  # enough to connect, and send, on a busy machine


def test_refused_connection_was_not_sent(wire):
    port = refused_port()
    error = fails(wire, ServiceRequestError, post(f"http://localhost:{port}"))
    assert f"http://localhost:{port}" in str(error)
    assert error.inner_exception is not None


@pytest.mark.parametrize("host", ["name.invalid", "x" * 64 + ".example", "a..example"])
def test_name_that_leads_nowhere_was_not_sent(wire, host):
    error = fails(wire, ServiceRequestError, post(f"http://{host}"))
    assert host in str(error)


def test_connection_that_takes_too_long_was_not_sent(wire):
    with full_listener() as port:
        error = fails(wire, ServiceRequestTimeoutError, post(f"http://127.0.0.1:{port}"), connection_timeout=0.1)
    assert str(error) == f"No connection to http://127.0.0.1:{port} within 0.1 s"


def test_tls_handshake_that_takes_too_long_was_not_sent(wire):
    done = threading.Event()
    with SocketServer(lambda connection, _: done.wait(TIMEOUT)) as server:
        url = f"https://localhost:{server.port}"
        fails(wire, ServiceRequestTimeoutError, post(url), connection_timeout=0.1)
        done.set()


def test_tls_to_a_server_without_it_was_not_sent(wire):
    with SocketServer(lambda connection, _: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        fails(wire, ServiceRequestError, post(f"https://localhost:{server.port}"))


def test_connection_closed_in_the_tls_handshake_was_not_sent(wire):
    with SocketServer(lambda connection, _: connection.recv(1)) as server:
        fails(wire, ServiceRequestError, post(f"https://localhost:{server.port}"))


def test_lost_answer_may_have_been_sent(wire):
    with HttpServer(lambda _: None) as server:
        error = fails(wire, ServiceResponseError, post(server))
    assert len(server.requests) == 1
    assert f"http://localhost:{server.port}" in str(error)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_lost_answer_is_not_asked_for_again_by_the_transport(wire, method):
    with HttpServer(lambda _: None) as server:
        fails(wire, ServiceResponseError, HttpRequest(method, server.url + PATH))
    assert len(server.requests) == 1


def test_answer_that_takes_too_long_may_have_been_sent(wire):
    done = threading.Event()
    with HttpServer(lambda _: done.wait(TIMEOUT) and None) as server:
        error = fails(wire, ServiceResponseTimeoutError, post(server), read_timeout=0.1)
        done.set()
    assert str(error) == f"http://localhost:{server.port} did not answer within 0.1 s"


def test_deadline_that_has_passed_lets_nothing_be_sent(wire):
    with HttpServer() as server:
        wire.send(post(server))
        fails(wire, ServiceRequestTimeoutError, post(server), deadline=time.monotonic() - 1)
        wire.send(post(server))
    assert len(server.requests) == 2


def test_deadline_covers_connecting(wire):
    with full_listener() as port:
        started = time.monotonic()
        error = fails(
            wire, ServiceRequestTimeoutError, post(f"http://127.0.0.1:{port}"), deadline=time.monotonic() + 0.1
        )
        assert time.monotonic() - started < TIMEOUT
    assert "within 0." in str(error)


def test_deadline_that_is_kept_does_not_matter(wire):
    with HttpServer() as server:
        for _ in range(2):
            assert wire.send(post(server), deadline=time.monotonic() + TIMEOUT).status_code == 200
    assert [request.connection for request in server.requests] == [0, 0]


def test_peer_that_stops_reading_does_not_hold_the_request_forever(wire):
    done = threading.Event()

    def serve(connection, _):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        done.wait(TIMEOUT)

    with SocketServer(serve) as server:
        request = post(server, b"x" * 20_000_000)
        fails(wire, ServiceResponseTimeoutError, request, connection_timeout=SOON, read_timeout=0.1)
        done.set()


def test_answer_that_is_not_http_may_have_been_sent(wire):
    with HttpServer(lambda _: iter([b"SSH-2.0-OpenSSH_9.0\r\n\r\n\r\n"])) as server:
        fails(wire, ServiceResponseError, post(server))


def test_endless_head_is_refused(wire):
    def reply(_):
        yield b"HTTP/1.1 200 OK\r\n"
        for _ in range(1000):
            yield b"X-More: " + b"x" * 1000 + b"\r\n"

    with HttpServer(reply) as server:
        fails(wire, ServiceResponseError, post(server))


def _broken_off(rest):
    return lambda _: iter([b"HTTP/1.1 200 OK\r\n" + rest])


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 100\r\n\r\nshort",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n64\r\nshort",
        b"Content-Encoding: gzip\r\nContent-Length: 100\r\n\r\n" + gzip.compress(b"short", mtime=0),
    ],
)
def test_answer_that_breaks_off_is_an_incomplete_read(wire, rest):
    with HttpServer(_broken_off(rest)) as server:
        error = fails(wire, IncompleteReadError, post(server))
        assert f"http://localhost:{server.port}" in str(error)
        with pytest.raises(IncompleteReadError) as caught:
            wire.pieces(wire.send(post(server), stream=True))
    assert_no_secret(caught.value)


@pytest.mark.parametrize("size", [b"!!", b"-5", b"ffffffffffffffff", b"7fffffffffffffff", b"", b"f" * 100_000])
def test_answer_in_nonsensical_chunks_is_an_error_of_the_answer(wire, size):
    read = threading.Event()

    def reply(_):
        yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"
        assert read.wait(TIMEOUT)
        yield size + b"\r\nshort"

    with HttpServer(reply) as server:
        response = wire.send(post(server), stream=True)
        read.set()
        with pytest.raises(IncompleteReadError):
            wire.pieces(response)
        with pytest.raises((IncompleteReadError, ServiceResponseError)):  # aiohttp may see both at once, and no answer
            wire.send(post(server))


def test_answer_that_stops_in_its_body_runs_out_of_time(wire):
    done = threading.Event()

    def reply(_):
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"
        done.wait(TIMEOUT)

    with HttpServer(reply) as server:
        fails(wire, ServiceResponseTimeoutError, post(server), read_timeout=0.1)
        response = wire.send(post(server), stream=True, read_timeout=0.1)
        with pytest.raises(ServiceResponseTimeoutError):
            wire.pieces(response)
        done.set()
