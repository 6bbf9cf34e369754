"""Requests as the service sends them, and servers that run for the length of a test."""

import contextlib
import hashlib
import hmac
import http.client
import json
import socket
import threading

KEY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"
OTHER_KEY = "0123456789ABCDEFGHABCDEFGHIJKLMNOPQRSTUVWXYZ"
BAD_SIGNATURE = "sha256=" + "0" * 64
JSON = "application/json; charset=utf-8"
CONNECT = {"claims": {}, "query": {}, "headers": {}, "subprotocols": [], "clientCertificates": []}


def signature(connection_id="conn1", key=KEY):
    return "sha256=" + hmac.new(key.encode(), connection_id.encode(), hashlib.sha256).hexdigest()


def event_headers(kind, name, content_type=JSON, **more):
    headers = {
        "ce-specversion": "1.0",
        "ce-awpsversion": "1.0",
        "ce-type": f"azure.webpubsub.{kind}.{name}",
        "ce-source": "/hubs/chat/client/conn1",
        "ce-id": "1",
        "ce-time": "2026-01-01T00:00:00Z",
        "ce-hub": "chat",
        "ce-connectionId": "conn1",
        "ce-eventName": name,
        "ce-signature": signature(more.get("ce_connectionId") or "conn1"),
        "WebHook-Request-Origin": "example.webpubsub.azure.com",
        "Content-Type": content_type,
    }
    headers.update({key.replace("_", "-"): value for key, value in more.items()})
    return {key: value for key, value in headers.items() if value is not None}


def connect_event(body=None, **headers):
    content = json.dumps({**CONNECT, **(body or {})}).encode()
    return "POST", event_headers("sys", "connect", **headers), content


def connected_event(**headers):
    return "POST", event_headers("sys", "connected", **headers), b"{}"


def disconnected_event(body=b'{"reason":"gone"}', **headers):
    return "POST", event_headers("sys", "disconnected", **headers), body


def group_event(name, body=b'{"group":"room"}', **headers):
    return "POST", event_headers("gp", name, **headers), body


def user_event(body=b"hello", name="message", content_type="text/plain; charset=utf-8", **headers):
    return "POST", event_headers("user", name, content_type, **headers), body


def preflight(*origins, method="OPTIONS"):
    return method, [("WebHook-Request-Origin", origin) for origin in origins] + [("ce-awpsversion", "1.0")]


@contextlib.contextmanager
def uvicorn_server(app):
    """Serve an ASGI application with uvicorn; gives host and port."""
    import uvicorn

    config = uvicorn.Config(app, http="h11", ws="none", log_config=None, timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield listener.getsockname()
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
        assert not thread.is_alive()


@contextlib.contextmanager
def waitress_server(app):
    """Serve a WSGI application with waitress; gives host and port."""
    from waitress import wasyncore
    from waitress.server import create_server

    sockets, stopping = {}, threading.Event()
    # Buffers stay in memory: waitress leaves the file of a large one open if it is stopped before it sees the peer go.
    limits = {"inbuf_overflow": 1 << 25, "outbuf_overflow": 1 << 25}
    server = create_server(app, host="127.0.0.1", port=0, map=sockets, clear_untrusted_proxy_headers=True, **limits)

    def run():
        while not stopping.is_set():
            wasyncore.loop(timeout=30, map=sockets, count=1)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield "127.0.0.1", server.effective_port
    finally:
        # Nothing is closed before the thread is done: it would race with the wake-up that is written to the trigger.
        stopping.set()
        server.trigger.pull_trigger()
        thread.join(10)
        server.task_dispatcher.shutdown()
        wasyncore.close_all(sockets)
        assert not thread.is_alive()


def exchange(address, method, path, headers, body=b""):
    """Send one request; gives status, headers (lower-case names) and body."""
    connection = http.client.HTTPConnection(*address, timeout=10)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        pairs = headers.items() if isinstance(headers, dict) else headers
        for name, value in pairs:
            connection.putheader(name, value.encode() if isinstance(value, str) else value)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
    finally:
        connection.close()


def raw_exchange(address, content, *, leave=False):
    """Send raw bytes, close the sending side if the peer is to see us leave, and read until the peer closes."""
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(content)
        if leave:
            connection.shutdown(socket.SHUT_WR)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    return received
