"""Real servers on the loopback interface for the transports' tests: HTTP over plain sockets or TLS, proxies.

Each is a context manager with a thread per connection, bound to a port of the system's choice. They do exactly what a
test says, byte by byte, which no HTTP server library would.
"""

import contextlib
import select
import socket
import ssl
import threading
from collections import namedtuple

Request = namedtuple("Request", "method target headers body connection")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
TIMEOUT = 20


def answer(status="200 OK", body=b"", **headers):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class SocketServer:
    """Calls ``serve(connection, number)`` in a thread for every connection, and closes it afterwards."""

    def __init__(self, serve=None, context=None):
        if serve is not None:
            self.serve = serve
        self.context = context
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.connections = []
        self.threads = []
        self.lock = threading.Lock()
        self.errors = []

    @property
    def url(self):
        return f"{'https' if self.context else 'http'}://localhost:{self.port}"

    def __enter__(self):
        thread = threading.Thread(target=self._accept, daemon=True)
        thread.start()
        self.threads.append(thread)
        return self

    def __exit__(self, *_):
        # Shutting down wakes a thread that is in accept() or recv(), closing does not.
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.lock:
            connections = list(self.connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                shut(connection)
        for thread in self.threads:
            thread.join(TIMEOUT)
            assert not thread.is_alive()
        assert not self.errors, self.errors

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                number = len(self.connections)
                self.connections.append(connection)
                thread = threading.Thread(target=self._run, args=(connection, number), daemon=True)
                self.threads.append(thread)
            thread.start()

    def _run(self, connection, number):
        try:
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
                with self.lock:
                    self.connections[number] = connection
            self.serve(connection, number)
        except OSError:
            pass  # the client is gone, or the test is over
        except Exception as error:
            self.errors.append(error)
        finally:
            close(connection)

    def drop_connections(self):
        """Close every connection from this end, and return when that is done."""
        with self.lock:
            connections, threads = list(self.connections), self.threads[1:]
        for connection in connections:
            with contextlib.suppress(OSError):
                shut(connection)
        for thread in threads:
            thread.join(TIMEOUT)


class HttpServer(SocketServer):
    """Records each request and sends what ``respond(request)`` returns; None closes the connection instead.

    What ``respond`` yields, being a generator, is sent piece by piece, and the connection closed at its end.
    """

    def __init__(self, respond=OK, context=None):
        super().__init__(context=context)
        self.respond = respond
        self.requests = []

    def serve(self, connection, number):
        with connection.makefile("rb") as reader:
            while True:
                request = read_request(reader, number)
                if request is None:
                    return
                with self.lock:
                    self.requests.append(request)
                reply = self.respond(request) if callable(self.respond) else self.respond
                if reply is None:
                    return
                if not isinstance(reply, bytes):
                    for piece in reply:
                        connection.sendall(piece)
                    return
                connection.sendall(reply)


def read_request(reader, number=0):
    line = reader.readline()
    if not line:
        return None
    method, target, version = line.decode("ascii").split()
    assert version == "HTTP/1.1", line
    headers = []
    while (line := reader.readline()) != b"\r\n":
        name, _, value = line.decode("latin-1").partition(":")
        headers.append((name.lower(), value.strip()))
    return Request(method, target, headers, read_body(reader, dict(headers)), number)


def read_body(reader, headers):
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(reader.readline() or b"0", 16):
            body += reader.read(size)
            reader.readline()
        reader.readline()
        return body
    return reader.read(int(headers.get("content-length", 0)))


def shut(connection):
    """Shut a connection down that a thread may be reading from, which is to see its end and nothing else."""
    # Not TLS's own method, after which that thread would go on to read what is encrypted.
    socket.socket.shutdown(connection, socket.SHUT_RDWR)


def close(connection):
    with contextlib.suppress(OSError):
        shut(connection)
    connection.close()


def relay(one, other):
    """Copy between two sockets until either ends."""
    while True:
        ready, _, _ = select.select([one, other], [], [], TIMEOUT)
        for source in ready or [None]:
            data = source.recv(1 << 16) if source else b""
            if not data:
                return
            (other if source is one else one).sendall(data)


class ForwardProxy(SocketServer):
    """An HTTP proxy: CONNECT for https, absolute URLs for http, Basic credentials if it is given some."""

    def __init__(self, credentials=None, context=None):
        super().__init__(context=context)
        self.credentials = credentials
        self.seen = []

    def serve(self, connection, number):
        with connection.makefile("rb") as reader:
            while True:
                line = reader.readline()
                if not line:
                    return
                head = [line]
                while head[-1] != b"\r\n":
                    head.append(reader.readline())
                headers = {}
                for field in head[1:-1]:
                    name, _, value = field.decode().partition(":")
                    headers[name.lower()] = value.strip()
                method, target, _ = line.decode().split()
                with self.lock:
                    self.seen.append((method, target, headers))
                if self.credentials and headers.get("proxy-authorization") != self.credentials:
                    connection.sendall(answer("407 Proxy Authentication Required"))
                    return
                if method == "CONNECT":
                    host, _, port = target.rpartition(":")
                    with socket.create_connection((host.strip("[]"), int(port))) as upstream:
                        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                        relay(connection, upstream)
                    return
                connection.sendall(self.forward(line, headers, target, read_body(reader, headers)))

    def forward(self, line, headers, target, body):
        assert target.startswith("http://"), target
        authority, _, path = target[len("http://") :].partition("/")
        host, _, port = authority.partition(":")
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if name != "proxy-authorization")
        with socket.create_connection((host, int(port))) as upstream:
            method = line.decode().split()[0]
            upstream.sendall(f"{method} /{path} HTTP/1.1\r\n{fields}Connection: close\r\n\r\n".encode() + body)
            upstream.shutdown(socket.SHUT_WR)
            pieces = []
            while piece := upstream.recv(1 << 16):
                pieces.append(piece)
        return b"".join(pieces)


@contextlib.contextmanager
def full_listener():
    """A port that neither accepts nor refuses: its queue of connections is full, so the system drops the rest."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def refused_port():
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def server_context(certificate, client_ca=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    if client_ca is not None:
        client_ca.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
