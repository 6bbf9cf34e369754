"""What a broadcast costs the emulator, beside websockets.broadcast doing the same; its start, its idle connections.

The emulator's sockets are JSON clients, then MQTT 3.1.1 clients at QoS 0 and at QoS 1 (which acknowledge each message;
what that costs afterwards is not in the figure). JSON clients also with the console, at which nobody looks.

Each contender serves in a process of its own and broadcasts to sockets that two more processes hold and read. The
figure is CPU time of the serving thread for each delivery, from the message to the last write: no HTTP call is in it,
for ``websockets.broadcast`` has none. Contenders take turns, so that noise of the machine meets both. Memory is what
the serving process grows by, per connection. Start is from ``WebPubSubEmulator()`` (modules loaded) or from the start
of the command until the first byte of an answer.
"""

import argparse
import asyncio
import contextlib
import json
import os
import resource
import select
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

HANDSHAKE = (
    "GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Protocol: {subprotocol}\r\n\r\n"
)
TEXT = "x" * 100
TOPIC = b"$webpubsub/server/messages"
PAUSE = 0.005
PAUSE_PER_SOCKET = 15e-6
CONTENDERS = ("emulator", "console", "MQTT QoS 0", "MQTT QoS 1", "websockets")
LIMIT = 3600


def raise_file_limit(needed):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            raise SystemExit(f"{needed} open files are needed, but {hard} are allowed: give fewer --sockets")
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def resident():
    """Bytes of memory this process has."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()


# The serving processes: commands come as lines on standard input, answers go as lines of JSON


class Emulator:
    protocol = "Default"
    console = False

    async def start(self):
        from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator
        from azure.messaging.webpubsubservice.emulator.hub import _events as on
        from azure.messaging.webpubsubservice.emulator.hub._frames import Payload

        self.emulator = WebPubSubEmulator(keep_alive_seconds=LIMIT, console=self.console)
        await self.emulator.start_async()
        self.board = self.emulator._switchboard
        self.event = on.Publish(on.Audience(), Payload("text", TEXT.encode()))
        url = self.emulator.client_url("chat", client_protocol=self.protocol)
        target = url.partition(str(self.emulator.port))[2]
        return {"port": self.emulator.port, "target": target}

    def count(self):
        return len(self.board.find_hub("chat").connections)

    def broadcast(self):
        self.board.feed(self.board.find_hub("chat"), self.event)


class WithConsole(Emulator):
    console = True


class Mqtt(Emulator):
    protocol = "MQTT"


class WebSockets:
    async def start(self):
        from websockets.asyncio.server import broadcast, serve

        self.send = broadcast
        self.open = set()

        async def handler(connection):
            self.open.add(connection)
            try:
                await connection.wait_closed()
            finally:
                self.open.discard(connection)

        server = await serve(
            handler,
            "127.0.0.1",
            0,
            compression=None,
            ping_interval=None,
            subprotocols=["json.webpubsub.azure.v1"],
            backlog=4096,
        )
        return {"port": server.sockets[0].getsockname()[1], "target": "/"}

    def count(self):
        return len(self.open)

    def broadcast(self):
        message = {"type": "message", "from": "server", "dataType": "text", "data": TEXT}
        self.send(self.open, json.dumps(message, separators=(",", ":")))


async def serve(name):
    contender = {"emulator": Emulator, "console": WithConsole, "websockets": WebSockets}.get(name, Mqtt)()
    loop = asyncio.get_running_loop()
    say(await contender.start() | {"resident": resident()})
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command, _, value = line.strip().partition(" ")
        if command == "wait":
            for _ in range(LIMIT):
                await asyncio.sleep(0.1)
                if contender.count() == int(value):
                    break
            say({"resident": resident()})
        elif command == "broadcast":
            cost = []
            for _ in range(int(value)):
                started = time.thread_time()
                contender.broadcast()
                cost.append(time.thread_time() - started)
                await asyncio.sleep(PAUSE + PAUSE_PER_SOCKET * contender.count())
            say({"cost": statistics.median(cost) / contender.count()})


def say(value):
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


# The receiving processes


def masked(packet):
    """Return a packet in a frame that is masked with zeros."""
    return bytes((0x82, 0x80 | len(packet))) + bytes(4) + packet


def text(value):
    return len(value).to_bytes(2, "big") + value


class MqttPeer:
    """What one MQTT client says: it subscribes at a QoS, and acknowledges each message."""

    def __init__(self, peer, number, qos):
        self.peer, self.qos, self.buffer = peer, qos, b""
        connect = text(b"MQTT") + b"\x04\x02\x00\xb4" + text(b"client%d" % number)
        subscribe = b"\x00\x01" + text(TOPIC) + bytes((qos,))
        peer.sendall(masked(b"\x10%c" % len(connect) + connect) + masked(b"\x82%c" % len(subscribe) + subscribe))
        expected = 2 + 4 + 2 + 5  # CONNACK and SUBACK
        while expected:
            expected -= len(peer.recv(expected))

    def take(self, data):
        if not self.qos:
            return
        self.buffer += data
        acks = b""
        while len(self.buffer) > 4:
            start = 4 if self.buffer[1] == 126 else 2
            size = int.from_bytes(self.buffer[2:4], "big") if start == 4 else self.buffer[1]
            if len(self.buffer) < start + size:
                break
            packet, self.buffer = self.buffer[start : start + size], self.buffer[start + size :]
            at = (3 if packet[1] & 0x80 else 2) + 2 + len(TOPIC)
            acks += masked(b"\x40\x02" + packet[at : at + 2])
        if acks:
            self.peer.sendall(acks)


def receive(port, target, count, kind):
    poller = select.epoll()
    poller.register(sys.stdin.fileno(), select.EPOLLIN | select.EPOLLHUP)
    peers, takers = {}, {}
    subprotocol = "mqtt" if kind.startswith("MQTT") else "json.webpubsub.azure.v1"
    request = HANDSHAKE.format(port=port, target=target, subprotocol=subprotocol).encode()
    for number in range(count):
        peer = socket.create_connection(("127.0.0.1", port))
        peer.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += peer.recv(4096)
            if not answer.startswith(b"HTTP/1.1 101"):
                raise SystemExit(f"no upgrade: {answer[:200]!r}")
        if kind.startswith("MQTT"):
            takers[peer.fileno()] = MqttPeer(peer, os.getpid() * 100_000 + number, int(kind[-1]))
        poller.register(peer.fileno(), select.EPOLLIN)
        peers[peer.fileno()] = peer
    say({"open": count})
    while True:
        for number, _ in poller.poll():
            if number not in peers:
                return
            data = peers[number].recv(65536)
            if not data:
                poller.unregister(number)
            elif number in takers:
                takers[number].take(data)


# The run


class Process:
    """A process of this file with lines both ways."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, __file__, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def hear(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"a process has ended: {self.process.args}")
        return json.loads(line)

    def ask(self, line):
        self.tell(line)
        return self.hear()

    def close(self):
        self.process.kill()
        self.process.communicate()


def fan_out(sockets, rounds, turns):
    """Return the costs per delivery and the memory per connection, by contender."""
    with contextlib.ExitStack() as stack:

        def start(*arguments):
            process = Process(*arguments)
            stack.callback(process.close)
            return process

        servers, memory = {}, {}
        for name in CONTENDERS:
            server = servers[name] = start("--serve", name)
            place = server.hear()
            shares = [sockets // 2, sockets - sockets // 2]
            receivers = [start("--receive", place["port"], place["target"], share, name) for share in shares]
            for receiver in receivers:
                receiver.hear()
            memory[name] = (server.ask(f"wait {sockets}")["resident"] - place["resident"]) / sockets
            progress(f"{name}: {sockets} sockets are open")
        costs = {name: [] for name in CONTENDERS}
        for turn in range(turns + 1):
            for name in CONTENDERS:
                cost = servers[name].ask(f"broadcast {rounds}")["cost"]
                if turn:  # the first turn warms up
                    costs[name].append(cost)
        return costs, memory


START = """
import socket, time
from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator
started = time.perf_counter()
emulator = WebPubSubEmulator()
emulator.start()
with socket.create_connection(("127.0.0.1", emulator.port)) as peer:
    peer.sendall(b"HEAD /api/health HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    assert peer.recv(100).startswith(b"HTTP/1.1 200")
print(time.perf_counter() - started)
"""


def start_in_process():
    found = subprocess.run([sys.executable, "-c", START], capture_output=True, text=True, check=True, timeout=60)
    return float(found.stdout)


def start_as_command():
    command = [sys.executable, "-m", "azure.messaging.webpubsubservice.emulator", "--port", "0", "--host", "127.0.0.1"]
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        while not (line := process.stdout.readline()).startswith("ConnectionString: "):
            pass
        port = int(line.partition("127.0.0.1:")[2].partition(";")[0])
        with socket.create_connection(("127.0.0.1", port)) as peer:
            peer.sendall(b"HEAD /api/health HTTP/1.1\r\nHost: x\r\n\r\n")
            peer.recv(100)
        took = time.perf_counter() - started
        process.kill()
    return took


def progress(text):
    sys.stderr.write(f"  {text}\n")
    sys.stderr.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--sockets", type=int, nargs="+", default=[100, 1000, 10_000], help="sockets to broadcast to (%(default)s)"
    )
    parser.add_argument("--deliveries", type=int, default=200_000, help="deliveries in a turn, at most (%(default)s)")
    parser.add_argument("--turns", type=int, default=7, help="turns of each contender (%(default)s)")
    parser.add_argument("--starts", type=int, default=7, help="starts of each kind (%(default)s)")
    arguments = parser.parse_args()
    raise_file_limit(max(arguments.sockets) + 200)
    lines = []
    for sockets in arguments.sockets:
        progress(f"{sockets} sockets")
        rounds = max(3, min(100, arguments.deliveries // sockets))
        costs, memory = fan_out(sockets, rounds, arguments.turns)
        ours, console, *mqtt, theirs = (statistics.median(costs[name]) * 1e6 for name in CONTENDERS)
        lines.append(
            f"{sockets:>8} {ours:>9.2f} {console:>8.2f} {mqtt[0]:>11.2f} {mqtt[1]:>11.2f}"
            f" {theirs:>11.2f} {ours / theirs:>6.2f}"
            f" {memory['emulator'] / 1024:>10.1f} {memory['MQTT QoS 0'] / 1024:>11.1f}"
            f" {memory['websockets'] / 1024:>11.1f}"
        )
    progress("starts")
    inside = statistics.median(start_in_process() for _ in range(arguments.starts))
    command = statistics.median(start_as_command() for _ in range(arguments.starts))
    print(f"CPU per delivery (median of {arguments.turns} turns), memory per idle connection; {sys.version.split()[0]}")
    print(
        f"{'sockets':>8} {'emulator':>9} {'console':>8} {'MQTT QoS 0':>11} {'MQTT QoS 1':>11}"
        f" {'websockets':>11} {'ratio':>6}"
        f" {'emulator':>10} {'MQTT':>11} {'websockets':>11}"
    )
    print(f"{'':>8} {'us':>9} {'us':>8} {'us':>11} {'us':>11} {'us':>11} {'':>6} {'KiB':>10} {'KiB':>11} {'KiB':>11}")
    print("\n".join(lines))
    print(f"from WebPubSubEmulator() to accepting: {inside * 1000:.1f} ms; as a command: {command * 1000:.0f} ms")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        asyncio.run(serve(sys.argv[2]))
    elif sys.argv[1:2] == ["--receive"]:
        receive(int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), sys.argv[5])
    else:
        main()
