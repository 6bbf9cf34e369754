"""An HTTP client that forgives nothing: each answer is parsed by h11, and nothing may come before, between or after."""

import socket

import h11


class Answer:
    """Status, headers (lower-case names) and body."""

    def __init__(self, response, body):
        self.status = response.status_code
        self.headers = {name.decode().lower(): value.decode("latin-1") for name, value in response.headers}
        self.body = body


class StrictPeer:
    """One kept-alive connection; a new one when the server ended the last. ``connections`` counts them."""

    def __init__(self, address):
        self._address = address
        self._socket = None
        self._parser = None
        self.connections = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def ask(self, method, headers, body=b"", *, pieces=None):
        """Send a request, with a length or in chunks, and return the answer."""
        self.send(method, headers, body, pieces=pieces)
        return self.receive()

    def send(self, method, headers, body=b"", *, pieces=None):
        if self._parser is None:
            self._open()
        pairs = list(headers.items() if isinstance(headers, dict) else headers)
        if pieces is not None:
            pairs.append(("Transfer-Encoding", "chunked"))
        elif body or method == "POST":
            pairs.append(("Content-Length", str(len(body))))
        request = h11.Request(method=method, target="/eventhandler", headers=[("Host", "localhost"), *pairs])
        content = self._parser.send(request)
        for piece in pieces if pieces is not None else [body]:
            content += self._parser.send(h11.Data(data=piece))
        content += self._parser.send(h11.EndOfMessage())
        self._socket.sendall(content)

    def receive(self):
        response, body = None, b""
        while True:
            event = self._parser.next_event()
            if event is h11.NEED_DATA:
                try:
                    self._parser.receive_data(self._socket.recv(65536))
                except ConnectionResetError:
                    self._parser.receive_data(b"")
            elif isinstance(event, h11.Response):
                response = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                assert isinstance(event, h11.InformationalResponse), event
        extra, _ = self._parser.trailing_data
        assert not extra, f"{extra!r} after the answer"
        if self._parser.our_state is h11.DONE and self._parser.their_state is h11.DONE:
            self._parser.start_next_cycle()
        else:
            self.close()
        return Answer(response, body)

    def _open(self):
        family = socket.AF_UNIX if isinstance(self._address, str) else socket.AF_INET
        self._socket = socket.socket(family)
        self._socket.settimeout(20)
        self._socket.connect(self._address)
        self._parser = h11.Connection(h11.CLIENT)
        self.connections += 1

    def close(self):
        if self._socket is not None:
            self._socket.close()
        self._socket = self._parser = None
