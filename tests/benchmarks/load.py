"""Load: one client with many threads, one asynchronous client with many tasks, and nothing lost or doubled.

Emulator, receivers and client are processes of their own. Every message is a number; the receivers, two WebSockets,
count how often each came. While messages flow, faults that a client has to survive (429 and 503 with Retry-After) are
put into the emulator. Memory is read when a fifth of the messages is through and again at the end. Prints progress,
then the figures, and ends by itself, with status 1 if anything was lost, doubled, said or still growing.

    python load.py                     100,000 sends with each client, some minutes
    python load.py --sends 5000        a short form
"""

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HUB = "load"
RECEIVERS = 2
OPEN_FILES = 4096
SILENCE = 30
FAULT_PAUSE = 0.02
MOST_GROWTH = 24 * 2**20
PROGRESS_SECONDS = 5


def resident(pid="self"):
    """Bytes of memory a process has."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()


def allow_open_files():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(wanted, resource.getrlimit(resource.RLIMIT_NOFILE)[0]), hard))


def say(**values):
    print(json.dumps(values), flush=True)


# The three processes. Each says one line of JSON when it is ready, and one at its end.


def serve(faults):
    from azure.messaging.webpubsubservice.emulator import RestFault, WebPubSubEmulator

    with WebPubSubEmulator() as emulator:
        say(connection_string=emulator.connection_string, urls=[emulator.client_url(HUB) for _ in range(RECEIVERS)])
        stop = threading.Event()
        threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
        injected = 0
        while not stop.wait(FAULT_PAUSE):
            if injected < faults:
                emulator.inject(RestFault(method="POST", status=(429, 503)[injected % 2], retry_after=0.01))
                injected += 1
    say(faults=injected)


def receive(urls, sends):
    from websockets.asyncio.client import connect

    async def count(url, ready):
        seen = bytearray(sends)
        async with connect(url, proxy=None, compression=None, max_queue=None) as socket:
            ready.release()
            total = 0
            try:
                while total < sends:
                    message = await asyncio.wait_for(socket.recv(), SILENCE)
                    seen[int(message)] += 1
                    total += 1
                # What is doubled may still come.
                while True:
                    seen[int(await asyncio.wait_for(socket.recv(), 0.5))] += 1
            except asyncio.TimeoutError:
                pass
        return seen.count(0), sum(seen) - sends + seen.count(0)

    async def main():
        ready = asyncio.Semaphore(0)
        tasks = [asyncio.ensure_future(count(url, ready)) for url in urls]
        for _ in tasks:
            await ready.acquire()
        say(receivers=len(tasks))
        results = await asyncio.gather(*tasks)
        say(lost=sum(lost for lost, _ in results), doubled=sum(doubled for _, doubled in results))

    asyncio.run(main())


class Progress:
    """Counts messages that were accepted, and measures on the way."""

    def __init__(self, sends):
        self.sends = sends
        self.done = 0
        self.early = None
        self.started = time.monotonic()
        self.told = self.started
        self.lock = threading.Lock()

    def count(self):
        with self.lock:
            self.done += 1
            if self.done == self.sends // 5:
                self.early = resident()
            now = time.monotonic()
            if now - self.told > PROGRESS_SECONDS:
                self.told = now
                print(f"    {self.done:>7,} sent, {self.done / (now - self.started):,.0f} a second", file=sys.stderr)

    def end(self):
        seconds = time.monotonic() - self.started
        say(sent=self.done, seconds=round(seconds, 2), growth=resident() - self.early, memory=resident())


OPTIONS = {"retry_total": 50, "retry_status": 50, "timeout": 60}


def publish(connection_string, sends, threads):
    from azure.messaging.webpubsubservice import WebPubSubServiceClient

    progress = Progress(sends)
    numbers = iter(range(sends))
    lock = threading.Lock()

    def run():
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            client.send_to_all(str(number), content_type="text/plain")
            progress.count()

    with (
        WebPubSubServiceClient.from_connection_string(connection_string, HUB, **OPTIONS) as client,
        ThreadPoolExecutor(threads) as pool,
    ):
        for future in [pool.submit(run) for _ in range(threads)]:
            future.result()
    progress.end()


def publish_aio(connection_string, sends, tasks):
    from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

    progress = Progress(sends)

    async def main():
        numbers = iter(range(sends))

        async def run():
            for number in numbers:
                await client.send_to_all(str(number), content_type="text/plain")
                progress.count()

        async with WebPubSubServiceClient.from_connection_string(connection_string, HUB, **OPTIONS) as client:
            await asyncio.gather(*(run() for _ in range(tasks)))

    asyncio.run(main())
    progress.end()


# The one that starts them


class Process:
    def __init__(self, *arguments):
        command = [sys.executable, "-W", "error", str(Path(__file__).resolve()), *map(str, arguments)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.said = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stderr:
            if line.startswith("    ") and " sent, " in line:
                print(line, end="", flush=True)
            else:
                self.said.append(line)

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            self.end()
            raise SystemExit("a process ended early:\n" + "".join(self.said))
        return json.loads(line)

    def end(self):
        """Let it end, and return its exit status and what it said that it should not."""
        self.process.stdin.close()
        try:
            status = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.reader.join(10)
        self.rest = self.process.stdout.read()
        self.process.stdout.close()
        self.process.stderr.close()
        return status, "".join(self.said)


def run(kind, sends, workers, faults):
    print(f"{kind}: one client, {workers} {'threads' if kind == 'sync' else 'tasks'}, {sends:,} sends", flush=True)
    started = []
    try:
        emulator = Process("serve", faults)
        started.append(emulator)
        service = emulator.answer()
        receivers = Process("receive", sends, *service["urls"])
        started.append(receivers)
        receivers.answer()
        before = resident(emulator.process.pid)
        client = Process("publish" if kind == "sync" else "publish_aio", service["connection_string"], sends, workers)
        started.append(client)
        figures = client.answer()
        figures.update(receivers.answer())
        figures["emulator_growth"] = resident(emulator.process.pid) - before
    finally:
        ends = [process.end() for process in reversed(started)]
    figures["faults"] = json.loads(emulator.rest)["faults"]
    figures["said"] = "".join(said for _, said in ends)
    figures["statuses"] = [status for status, _ in ends]
    figures["ok"] = (
        (figures["sent"], figures["lost"], figures["doubled"]) == (sends, 0, 0)
        and not figures["said"]
        and figures["statuses"] == [0, 0, 0]
        and figures["growth"] < MOST_GROWTH
    )
    print(
        f"    {figures['sent']:,} sent in {figures['seconds']:,.1f} s ({sends / figures['seconds']:,.0f} a second),"
        f" {figures['faults']:,} faults on the way;"
        f" {RECEIVERS} receivers: {figures['lost']} lost, {figures['doubled']} doubled\n"
        f"    memory of the client {figures['memory'] / 2**20:,.1f} MB, grown by {figures['growth'] / 2**20:,.1f} MB"
        f" since a fifth was sent; of the emulator grown by {figures['emulator_growth'] / 2**20:,.1f} MB\n"
        f"    exit statuses {figures['statuses']}, warnings and errors: {figures['said'] or 'none'}",
        flush=True,
    )
    return figures


def main():
    allow_open_files()
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        role, *arguments = sys.argv[1:]
        if role == "serve":
            serve(int(arguments[0]))
        elif role == "receive":
            receive(arguments[1:], int(arguments[0]))
        else:
            globals()[role](arguments[0], int(arguments[1]), int(arguments[2]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sends", type=int, default=100_000, help="messages of each client (default: 100000)")
    parser.add_argument("--threads", type=int, default=64, help="threads of the sync client (default: 64)")
    parser.add_argument("--tasks", type=int, default=1000, help="tasks of the asynchronous client (default: 1000)")
    parser.add_argument("--faults", type=int, default=1000, help="most faults to inject into each run (default: 1000)")
    parser.add_argument("--only", choices=("sync", "aio"), help="one of the clients")
    options = parser.parse_args()
    if options.sends < 5:
        parser.error("--sends must be at least 5")
    results = {
        kind: run(kind, options.sends, workers, options.faults)
        for kind, workers in (("sync", options.threads), ("aio", options.tasks))
        if options.only in (None, kind)
    }
    say(**results)
    sys.exit(0 if all(each["ok"] for each in results.values()) else 1)


if __name__ == "__main__":
    main()
