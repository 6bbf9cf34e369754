"""How much the emulator grows by clients that do not read, for 10, 100 and 1,000 of each subprotocol.

The emulator runs in a process of its own, the clients in another: they shake hands and never read again. Messages are
published over REST to the whole hub; the figure is by how much the emulator's process grew at its largest, in MiB,
and behind it how many clients were cut off. The record is emptied after each message, so that it does not count.
Run it with each Python: their transports buffer differently.
"""

import argparse
import json
import resource
import socket
import subprocess
import sys
import time
from pathlib import Path

SUBPROTOCOLS = {
    "simple": None,
    "JSON": "json.webpubsub.azure.v1",
    "reliable JSON": "json.reliable.webpubsub.azure.v1",
    "protobuf": "protobuf.webpubsub.azure.v1",
    "reliable protobuf": "protobuf.reliable.webpubsub.azure.v1",
}
HANDSHAKE = (
    "GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
MIB = 2**20


def resident():
    """Bytes of memory this process has."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()


def hold(port, target, count, subprotocol):
    """Open sockets and read nothing but the answer of the handshake; ends with its standard input."""
    request = HANDSHAKE.format(port=port, target=target)
    if subprotocol:
        request += f"Sec-WebSocket-Protocol: {subprotocol}\r\n"
    peers = []
    for _ in range(count):
        peer = socket.socket()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.connect(("127.0.0.1", port))
        peer.sendall((request + "\r\n").encode())
        if not peer.recv(12).startswith(b"HTTP/1.1 101"):
            raise SystemExit("no upgrade")
        peers.append(peer)
    sys.stdout.write(f"{len(peers)}\n")
    sys.stdout.flush()
    sys.stdin.read()


def serve(count, subprotocol, size, messages, most):
    """Publish to clients that do not read; prints the growth of this process and how many were cut off."""
    from azure.messaging.webpubsubservice import WebPubSubServiceClient
    from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator

    with (
        WebPubSubEmulator(keep_alive_seconds=3600) as emulator,
        WebPubSubServiceClient.from_connection_string(emulator.connection_string, hub="chat") as client,
    ):
        target = emulator.client_url("chat", user_id="slow", groups=["all"]).partition(str(emulator.port))[2]
        command = [sys.executable, __file__, "--hold", str(emulator.port), target, str(count), subprotocol or ""]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
            try:
                holder.stdout.readline()
                before = largest = resident()
                published = 0
                for _ in range(messages):
                    client.send_to_all("x" * size, content_type="text/plain")
                    published += size
                    emulator.record.clear()
                    largest = max(largest, resident())
                    if largest - before > most:
                        break
                left = len(list(client.list_connections("all")))
            finally:
                holder.kill()
    print(json.dumps({"growth": largest - before, "cut": count - left, "published": published}))


def measure(count, subprotocol, arguments):
    command = [sys.executable, __file__, "--serve", str(count), subprotocol or "", str(arguments.size)]
    command += [str(arguments.messages), str(arguments.most * MIB)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    found = json.loads(done.stdout)
    growth = f"{found['growth'] / MIB:.0f}"
    if found["growth"] > arguments.most * MIB:
        growth = f"> {arguments.most} after {found['published'] / MIB:.0f}"
    return f"{growth} ({found['cut']})"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--readers", type=int, nargs="+", default=[10, 100, 1000], help="clients (%(default)s)")
    parser.add_argument("--size", type=int, default=100_000, help="bytes of a message (%(default)s)")
    parser.add_argument("--messages", type=int, default=250, help="messages to publish (%(default)s)")
    parser.add_argument("--most", type=int, default=4096, help="stop when it has grown by more MiB (%(default)s)")
    arguments = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = max(arguments.readers) + 200
    if soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    total = arguments.size * arguments.messages / MIB
    print(f"growth in MiB (clients cut off), {total:.0f} MiB published; {sys.version.split()[0]}")
    print(f"{'slow readers':20}" + "".join(f"{count:>22,}" for count in arguments.readers), flush=True)
    for name, subprotocol in SUBPROTOCOLS.items():
        started = time.monotonic()
        cells = [measure(count, subprotocol, arguments) for count in arguments.readers]
        print(f"{name:20}" + "".join(f"{cell:>22}" for cell in cells), flush=True)
        sys.stderr.write(f"  {name}: {time.monotonic() - started:.0f} s\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--hold"]:
        hold(int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), sys.argv[5])
    elif sys.argv[1:2] == ["--serve"]:
        serve(int(sys.argv[2]), sys.argv[3], *map(int, sys.argv[4:]))
    else:
        main()
