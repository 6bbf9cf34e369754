"""Services that lose connections, or send what no service should."""

import contextlib
import json
import socket
import threading

from terminals import WAIT
from websockets.sync.server import serve

SUBPROTOCOL = "json.reliable.webpubsub.azure.v1"
KEY = "AccessKey=ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"


class Relay:
    """A way to the emulator that can be cut."""

    def __init__(self, service):
        self._service = service
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open = []
        self._threads = [threading.Thread(target=self._accept)]
        self.connection_string = f"Endpoint=http://127.0.0.1:{self._listener.getsockname()[1]};{KEY}"
        self._threads[0].start()

    def _accept(self):
        host, port = self._service.endpoint.removeprefix("http://").split(":")
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection((host, int(port)))
            self._open += [near, far]
            for one, other in ((near, far), (far, near)):
                self._threads.append(threading.Thread(target=self._copy, args=(one, other)))
                self._threads[-1].start()

    def _copy(self, one, other):
        try:
            while data := one.recv(65536):
                other.sendall(data)
        except OSError:
            pass
        for each in (one, other):
            cut(each)

    def cut(self):
        """Break all connections off."""
        for each in self._open:
            cut(each)

    def close(self):
        cut(self._listener)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(WAIT)
        for each in self._open:
            each.close()


def cut(connection):
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class Impostor:
    """A service that welcomes every client and then sends what the test wants."""

    def __init__(self, frames, *, subprotocols=(SUBPROTOCOL,), close=None):
        self._frames = frames
        self._close = close
        self._server = serve(self._serve, "127.0.0.1", 0, subprotocols=subprotocols, max_size=None)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self.confirmed = []

    def _serve(self, connection):
        if connection.subprotocol == SUBPROTOCOL:
            welcome = {"type": "system", "event": "connected", "userId": None, "connectionId": "c"}
            connection.send(json.dumps({**welcome, "reconnectionToken": "t"}))
        for frame in self._frames:
            connection.send(frame if isinstance(frame, str | bytes) else json.dumps(frame))
        if self._close:
            connection.close(*self._close)
        for frame in connection:
            self.confirmed.append(json.loads(frame))

    def __enter__(self):
        self._thread.start()
        return f"Endpoint=http://127.0.0.1:{self._server.socket.getsockname()[1]};{KEY}"

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join(WAIT)
