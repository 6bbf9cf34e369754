"""The handler behind every server that installs, in a process of its own: one scenario on kept-alive connections."""

import contextlib
import importlib.util
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import pytest
from event_requests import BAD_SIGNATURE, connected_event, preflight, user_event

pytest.importorskip("h11", reason="h11 is not installed")

from strict_peer import StrictPeer

HERE = Path(__file__).parent
LIMIT = 1000


class Server(NamedTuple):
    """What a server is and can: the package, what a chunked event gets, whether it runs two requests at once."""

    package: str
    chunked: int = 200
    at_once: bool = True
    kept: bool = True  # False where it ends connections that could go on, and says so
    silent: bool = False  # whether it ends them without a word when a body was left unread
    user_twice: int = 200  # where it is joined to one, or the last one is handed on, nobody can tell
    not_ascii: bool = True


ASGI = {"user_twice": 400}
SERVERS = {
    "uvicorn": Server("uvicorn", **ASGI),
    "hypercorn": Server("hypercorn", **ASGI),
    "daphne": Server("daphne", **ASGI),
    "granian": Server("granian", **ASGI),
    "gunicorn asgi": Server("gunicorn", **ASGI),
    "gunicorn uvicorn": Server("uvicorn_worker", **ASGI),
    "Functions AsgiMiddleware": Server("azure.functions"),
    "a2wsgi ASGIMiddleware, waitress": Server("a2wsgi", kept=False),
    "hypercorn, WSGI": Server("hypercorn", chunked=411),
    "granian, WSGI": Server("granian", not_ascii=False),
    "gunicorn sync": Server("gunicorn", at_once=False, kept=False),
    "gunicorn gthread": Server("gunicorn"),
    "gunicorn gevent": Server("gevent"),
    "waitress": Server("waitress", kept=False),
    "cheroot": Server("cheroot", kept=False),
    "gevent.pywsgi": Server("gevent", at_once=False),
    "gevent.pywsgi, patched": Server("gevent"),
    "werkzeug": Server("werkzeug", kept=False),
    "wsgiref": Server("wsgiref", chunked=411, at_once=False, kept=False),
    "uwsgi": Server("pyuwsgi", chunked=411, kept=False, silent=True, at_once=False),
    "a2wsgi WSGIMiddleware, uvicorn": Server("a2wsgi", chunked=411),
    "asgiref WsgiToAsgi, hypercorn": Server("asgiref", chunked=411, at_once=False),
    "starlette WSGIMiddleware, uvicorn": Server("starlette", chunked=411),
    "Functions WsgiMiddleware": Server("azure.functions"),
}


@contextlib.contextmanager
def running(name):
    """A process that serves; gives its address, and the file of what it writes to standard error."""
    with contextlib.ExitStack() as stack:
        errors = stack.enter_context(tempfile.TemporaryFile())
        if name.startswith("granian"):
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            address = place = str(Path(folder, "s"))
            inherited = ()
        else:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=16))
            address, place, inherited = listener.getsockname(), str(listener.fileno()), (listener.fileno(),)
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "served_handler.py", name, place],
            cwd=HERE,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            pass_fds=inherited,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        if inherited:
            listener.close()  # so that a server that ends at once is seen, and not waited for
        try:
            if not inherited:
                wait_until_it_listens(process, address)
            yield address, errors
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(20)


def wait_until_it_listens(process, path):
    end = time.monotonic() + 20
    while time.monotonic() < end and process.poll() is None:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(path) == 0:
                return
        select.select([], [], [], 0.02)
    raise AssertionError("the server does not listen")


def post(peer, request, **options):
    method, headers, body = request
    return peer.ask(method, headers, body, **options)


def check_handshake_and_probes(peer):
    method, headers = preflight("localhost")
    answer = peer.ask(method, headers)
    assert (answer.status, answer.headers["webhook-allowed-origin"], answer.body) == (200, "localhost", b"")
    assert peer.ask("HEAD", {}).status == 405
    answer = peer.ask("GET", {})
    assert (answer.status, answer.body) == (400, b"the header webhook-request-origin is missing")
    assert peer.ask("HEAD", headers).status == 405
    method, headers = preflight("evil.example")
    assert peer.ask(method, headers).status == 403


def check_events_with_a_length(peer, server):
    answer = post(peer, user_event(b"\x00\xff", "echo", "application/octet-stream"))
    assert (answer.status, answer.headers["content-type"], answer.body) == (
        200,
        "application/octet-stream",
        b"\x00\xff",
    )
    assert post(peer, user_event(b"x" * LIMIT, "echo")).body == b"x" * LIMIT
    answer = post(peer, user_event(name="nothing"))
    assert (answer.status, answer.body) == (204, b"")
    assert post(peer, user_event(name="pass")).body == b"passed"
    assert post(peer, connected_event()).status == 200
    if server.not_ascii:
        assert post(peer, user_event(name="user", ce_userId="Zoë 李".encode())).body == "Zoë 李".encode()


def check_what_is_refused(peer, server):
    before = post(peer, user_event(name="echoed")).body
    assert post(peer, user_event(b"x" * (LIMIT + 1), "echo")).status == 413
    if server.silent:
        peer.close()
    assert post(peer, user_event(name="echo", ce_signature=BAD_SIGNATURE)).status == 401
    method, headers, body = user_event(name="echo")
    # Some servers hand on the last one alone, which the signature is not for.
    assert peer.ask(method, [*headers.items(), ("ce-connectionId", "another")], body).status in (400, 401)
    many = peer.ask("POST", user_event(name="echo")[1], pieces=[b"x" * 600, b"y" * 600])
    if server.silent:
        peer.close()
    assert many.status == (413 if server.chunked == 200 else server.chunked)
    assert post(peer, user_event(name="echoed")).body == before


def check_chunked(peer, server):
    before = int(post(peer, user_event(name="echoed")).body)
    answer = peer.ask("POST", user_event(name="echo")[1], pieces=[b"in ", b"pieces"])
    if server.silent:
        peer.close()
    assert answer.status == server.chunked
    assert server.chunked != 200 or answer.body == b"in pieces"
    assert int(post(peer, user_event(name="echoed")).body) == before + (server.chunked == 200)


def check_user_id_that_comes_twice(peer, server):
    method, headers, body = user_event(name="user", ce_userId="ada")
    answer = peer.ask(method, [*headers.items(), ("ce-userId", "mallory")], body)
    assert answer.status == server.user_twice


def check_exits(peer):
    assert post(peer, user_event(name="exit")).status == 500
    assert post(peer, user_event(name="exit later")).status == 500


def check_two_at_once(peer, address, server):
    name = "meet" if server.at_once else "pass"
    method, headers, body = user_event(name=name)
    with StrictPeer(address) as other:
        peer.send(method, headers, body)
        other.send(method, headers, body)
        assert (peer.receive().body, other.receive().body) == ((b"met", b"met") if server.at_once else (b"passed",) * 2)


@pytest.mark.parametrize("name", SERVERS)
def test_server_carries_every_request_to_the_handler_and_every_answer_back(name):
    server = SERVERS[name]
    if importlib.util.find_spec(server.package) is None:
        pytest.skip(f"{server.package} is not installed")
    with running(name) as (address, errors), StrictPeer(address) as peer:
        try:
            check_handshake_and_probes(peer)
            check_events_with_a_length(peer, server)
            check_chunked(peer, server)
            check_what_is_refused(peer, server)
            check_user_id_that_comes_twice(peer, server)
            check_exits(peer)
            check_two_at_once(peer, address, server)
        finally:
            errors.seek(0)
            said = errors.read().decode()
            print(said)
        assert "Traceback" not in said
        assert (peer.connections == 1) == server.kept
