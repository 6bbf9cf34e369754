"""The server that the benchmarks send to: it answers as the service does, at next to no cost, and says what it cost.

``python loopback.py`` shows that it is not the bottleneck: how many requests a second it takes from plain sockets.
"""

import argparse
import asyncio
import contextlib
import json
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ANSWER = (
    b"HTTP/1.1 202 Accepted\r\n"
    b"Date: Sun, 22 Nov 2026 12:00:00 GMT\r\n"
    b"Content-Length: 0\r\n"
    b"Connection: keep-alive\r\n"
    b"x-ms-client-request-id: 00000000-0000-0000-0000-000000000000\r\n"
    b"Strict-Transport-Security: max-age=15724800; includeSubDomains\r\n"
    b"api-supported-versions: 2021-10-01, 2022-11-01, 2023-07-01, 2024-01-01, 2024-12-01\r\n"
    b"\r\n"
)


class Answering(asyncio.Protocol):
    """Reads requests by their Content-Length and answers each; GET /cost tells what answering has cost so far."""

    requests = 0
    connections = 0

    def connection_made(self, transport):
        Answering.connections += 1
        self.transport = transport
        self.unread = b""
        self.skip = 0

    def data_received(self, data):
        if self.skip:
            if len(data) < self.skip:
                self.skip -= len(data)
                return
            data = data[self.skip :]
            self.skip = 0
            self.answer()
        data = self.unread + data
        while (end := data.find(b"\r\n\r\n")) >= 0:
            head = data[:end].lower()
            start = head.find(b"\r\ncontent-length:")
            length = 0
            if start >= 0:
                stop = head.find(b"\r\n", start + 2)
                length = int(head[start + 17 : stop if stop >= 0 else end])
            if head.startswith(b"get /cost "):
                self.tell_cost()
                data = data[end + 4 :]
                continue
            missing = end + 4 + length - len(data)
            if missing > 0:
                self.skip = missing
                data = b""
                break
            data = data[end + 4 + length :]
            self.answer()
        self.unread = data

    def answer(self):
        Answering.requests += 1
        self.transport.write(ANSWER)

    def tell_cost(self):
        cost = {"cpu": time.process_time(), "requests": Answering.requests, "connections": Answering.connections}
        body = json.dumps(cost).encode()
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


async def _serve(certificate):
    loop = asyncio.get_running_loop()
    plain = await loop.create_server(Answering, "127.0.0.1", 0, backlog=1024)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    secure = await loop.create_server(Answering, "127.0.0.1", 0, ssl=context, backlog=1024)
    ports = [server.sockets[0].getsockname()[1] for server in (plain, secure)]
    print(json.dumps(ports), flush=True)
    # Ends when whoever started it does: its standard input closes.
    await loop.run_in_executor(None, sys.stdin.read)


class Loopback:
    """The server, in a process of its own, while the ``with`` block lasts."""

    def __enter__(self):
        import trustme

        self._directory = tempfile.TemporaryDirectory()
        directory = Path(self._directory.name)
        authority = trustme.CA()
        self.ca_file = str(directory / "ca.pem")
        authority.cert_pem.write_to_path(self.ca_file)
        certificate = str(directory / "server.pem")
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--serve", certificate],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.ports = dict(zip(("http", "https"), json.loads(self._process.stdout.readline()), strict=True))
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()
        self._directory.cleanup()

    def url(self, scheme="http"):
        return f"{scheme}://127.0.0.1:{self.ports[scheme]}"

    def cost(self):
        """What the server has done so far: seconds of CPU, requests, connections."""
        with socket.create_connection(("127.0.0.1", self.ports["http"])) as connection:
            connection.sendall(b"GET /cost HTTP/1.1\r\n\r\n")
            return json.loads(connection.recv(4096).partition(b"\r\n\r\n")[2])


REQUEST = b"POST /api/hubs/h/:send HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Length: 130\r\n\r\n%s" % (
    b"x" * 300,
    b"x" * 130,
)


def _hammer(port, seconds, connections):
    """Count the answers that plain sockets get in a time, each sending its next request when it has an answer."""
    stop = time.perf_counter() + seconds
    counts = []

    def send():
        count = 0
        with socket.create_connection(("127.0.0.1", port)) as connection:
            while time.perf_counter() < stop:
                connection.sendall(REQUEST)
                assert connection.recv(65536) == ANSWER
                count += 1
        counts.append(count)

    threads = [threading.Thread(target=send) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="time for each measurement")
    parser.add_argument("--serve", metavar="CERTIFICATE", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_serve(arguments.serve))
        return
    with Loopback() as server:
        print("sockets   answers/s   server CPU/request")
        for connections in (1, 8, 64):
            before = server.cost()
            count = _hammer(server.ports["http"], arguments.seconds, connections)
            spent = (server.cost()["cpu"] - before["cpu"]) / count
            print(f"{connections:7}   {count / arguments.seconds:9.0f}   {spent * 1e6:15.1f} us")
            print(f"{'':10}at most {1 / spent:.0f} requests/s on a core")


if __name__ == "__main__":
    main()
