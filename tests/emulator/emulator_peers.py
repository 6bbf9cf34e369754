"""Peers of the emulator that share nothing with our client: HTTP by hand, tokens by PyJWT."""

import http.client
import json
import socket
import time
from dataclasses import dataclass

import jwt
from live_service import LiveService

WAIT = 5


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        return self.headers["x-ms-error-code"]


def sign(key, **claims):
    claims.setdefault("exp", int(time.time()) + 60)
    claims = {name: value for name, value in claims.items() if value is not None}
    # HMAC fills a key up with zeros; done here, PyJWT does not warn of a short one.
    return jwt.encode(claims, key.encode().ljust(32, b"\0"), algorithm="HS256")


class Caller:
    """Calls REST as a stranger would: the path goes out as it is given."""

    def __init__(self, emulator):
        self.emulator = emulator

    def __call__(self, method, path, body=None, content_type=None, *, token=None, headers=(), version="2024-12-01"):
        if version is not None and "api-version" not in path:
            path += ("&" if "?" in path else "?") + f"api-version={version}"
        if token is None:
            token = sign(self.emulator.access_key, aud=self.emulator.endpoint + path)
        connection = self._connection()
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            if token:
                connection.putheader("Authorization", f"Bearer {token}")
            if content_type is not None:
                connection.putheader("Content-Type", content_type)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            elif method == "POST" and not any(name.lower() == "transfer-encoding" for name, _ in headers):
                connection.putheader("Content-Length", "0")
            for name, value in headers:
                connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def _socket(self):
        if isinstance(self.emulator, LiveService):
            return self.emulator.open_socket(WAIT)
        return socket.create_connection(("127.0.0.1", self.emulator.port), timeout=WAIT)

    def _connection(self):
        if isinstance(self.emulator, LiveService):
            return self.emulator.open_http(WAIT)
        # Its endpoint may be a name that nothing here resolves.
        return http.client.HTTPConnection("127.0.0.1", self.emulator.port, timeout=WAIT)

    def raw(self, data, *, says_no_more=False):
        """Send bytes and return what comes until the server closes."""
        with self._socket() as peer:
            peer.sendall(data)
            if says_no_more:
                peer.shutdown(socket.SHUT_WR)
            received = b""
            while more := peer.recv(65536):
                received += more
            return received


def frame(socket_):
    """The next frame of a JSON client."""
    return json.loads(socket_.recv(timeout=WAIT))


def tell(socket_, **fields):
    """Send a frame of the JSON subprotocol."""
    socket_.send(json.dumps(fields))
