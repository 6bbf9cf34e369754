"""The ways to publish that the benchmarks compare, each in a process of its own that is told what to send.

The process of the published library runs in another environment, so this file imports what it needs where it needs it,
and of this project nothing but the installed package. Start it with :class:`Rival`, not from a shell.
"""

import argparse
import asyncio
import json
import logging
import os
import subprocess
import sys
import threading
import time
from importlib.metadata import version

from published import VERSION as PUBLISHED

KEY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"
HUB = "benchmark"
PATH = f"/api/hubs/{HUB}/:send?api-version=2024-12-01"
# What a client sends besides; bare urllib3 and aiohttp get them for nothing.
HEADERS = {
    "Accept": "application/json, text/json",
    "Accept-Encoding": "gzip, deflate",
    "Authorization": "Bearer " + "x" * 230,
    "Content-Type": "application/json",
    "User-Agent": "azsdk-python-messaging-webpubsubservice/0.0.0 Python/3.11 (Linux)",
}
FILL = "x"


def message(size):
    """A message whose JSON is about this long."""
    return {"from": "benchmark", "text": FILL * max(0, size - 34)}


def connection_string(url):
    return f"Endpoint={url};AccessKey={KEY};Version=1.0;"


class SyncRival:
    """Sends ``count`` messages, with as many threads as it is told; ``send`` is what a subclass measures."""

    def __init__(self, url, ca_file, size, threads):
        self.url = url
        self.verify = {"connection_verify": ca_file} if ca_file else {}
        self.ca_file = ca_file
        self.payload = message(size)
        self.content = json.dumps(self.payload).encode()
        self.most_threads = threads
        self.make()

    def run(self, count, workers):
        if workers == 1:
            for _ in range(count):
                self.send()
            return
        each = [count // workers + (number < count % workers) for number in range(workers)]
        threads = [threading.Thread(target=self._several, args=(share,)) for share in each]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _several(self, count):
        for _ in range(count):
            self.send()

    def close(self):
        self.client.close()


class BareUrllib3(SyncRival):
    def make(self):
        import urllib3

        scheme, _, rest = self.url.partition("://")
        host, _, port = rest.partition(":")
        if scheme == "https":
            self.pool = urllib3.HTTPSConnectionPool(host, int(port), maxsize=self.most_threads, ca_certs=self.ca_file)
        else:
            self.pool = urllib3.HTTPConnectionPool(host, int(port), maxsize=self.most_threads)
        self.headers = {**HEADERS, "Content-Length": str(len(self.content))}

    def send(self):
        self.pool.urlopen("POST", PATH, body=self.content, headers=self.headers)

    def close(self):
        self.pool.close()


class AzureCore(SyncRival):
    def make(self):
        from azure.core import PipelineClient
        from azure.core.rest import HttpRequest

        self.client = PipelineClient(self.url, **self.verify)
        self.request = HttpRequest

    def send(self):
        request = self.request("POST", self.url + PATH, json=self.payload, headers=dict(HEADERS))
        self.client.send_request(request).raise_for_status()


class Library(SyncRival):
    """The published library and ours, which share the way they are called."""

    def make(self):
        from azure.messaging.webpubsubservice import WebPubSubServiceClient

        self.client = WebPubSubServiceClient.from_connection_string(connection_string(self.url), hub=HUB, **self.verify)

    def send(self):
        self.client.send_to_all(self.payload, content_type="application/json")


class OurBuilder(Library):
    def make(self):
        super().make()
        from azure.messaging.webpubsubservice.rest import build_send_to_all_request

        self.build = build_send_to_all_request

    def send(self):
        self.client.send_request(self.build(HUB, json=self.payload)).raise_for_status()


class AioRival:
    """As :class:`SyncRival`, with tasks for threads."""

    def __init__(self, url, ca_file, size, threads):
        del threads
        self.url = url
        self.verify = {"connection_verify": ca_file} if ca_file else {}
        self.ca_file = ca_file
        self.payload = message(size)
        self.content = json.dumps(self.payload).encode()
        self.loop = asyncio.new_event_loop()
        self.loop.run_until_complete(self.make())

    def run(self, count, workers):
        self.loop.run_until_complete(self._run(count, workers))

    async def _run(self, count, workers):
        if workers == 1:
            for _ in range(count):
                await self.send()
            return
        left = count

        async def several():
            nonlocal left
            while left > 0:
                left -= 1
                await self.send()

        await asyncio.gather(*[several() for _ in range(workers)])

    def close(self):
        self.loop.run_until_complete(self.client.close())
        self.loop.close()


class BareAiohttp(AioRival):
    async def make(self):
        import ssl

        import aiohttp

        context = ssl.create_default_context(cafile=self.ca_file) if self.ca_file else True
        self.client = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, ssl=context))

    async def send(self):
        async with self.client.post(self.url + PATH, data=self.content, headers=HEADERS) as response:
            await response.read()


class AzureCoreAio(AioRival):
    async def make(self):
        from azure.core import AsyncPipelineClient
        from azure.core.rest import HttpRequest

        self.client = AsyncPipelineClient(self.url, **self.verify)
        self.request = HttpRequest

    async def send(self):
        request = self.request("POST", self.url + PATH, json=self.payload, headers=dict(HEADERS))
        (await self.client.send_request(request)).raise_for_status()


class LibraryAio(AioRival):
    async def make(self):
        from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

        self.client = WebPubSubServiceClient.from_connection_string(connection_string(self.url), hub=HUB, **self.verify)

    async def send(self):
        await self.client.send_to_all(self.payload, content_type="application/json")


class OurBuilderAio(LibraryAio):
    async def make(self):
        await super().make()
        from azure.messaging.webpubsubservice.rest import build_send_to_all_request

        self.build = build_send_to_all_request

    async def send(self):
        (await self.client.send_request(self.build(HUB, json=self.payload))).raise_for_status()


SYNC = {
    "urllib3": BareUrllib3,
    "azure-core": AzureCore,
    "published": Library,
    "ours": Library,
    "ours, builder": OurBuilder,
}
AIO = {
    "aiohttp": BareAiohttp,
    "azure-core": AzureCoreAio,
    "published": LibraryAio,
    "ours": LibraryAio,
    "ours, builder": OurBuilderAio,
}


class Rival:
    """One way to publish, in a process of its own, while the ``with`` block lasts."""

    def __init__(self, name, kind, url, *, python=None, ca_file=None, size=130, threads=64, variables=0):
        self.name = name
        if name != "published":
            python = None
        self._command = [python or sys.executable, __file__, name, kind, url, ca_file or "", str(size), str(threads)]
        self._environment = {**os.environ, **{f"BENCHMARK_{number}": "x" for number in range(variables)}}
        if python:
            self._environment.pop("PYTHONPATH", None)  # which may lead to ours

    def __enter__(self):
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(self._command, stdin=pipe, stdout=pipe, text=True, env=self._environment)
        try:
            self.run(20)  # connects, and fills every cache
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(30)

    def run(self, count, workers=1):
        """Have it send, and return what that cost: CPU and wall seconds in all, resident bytes, warnings so far."""
        self._process.stdin.write(f"{count} {workers}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} failed: see above")
        return json.loads(line)


class CountDiscards(logging.Handler):
    count = 0

    def emit(self, record):
        CountDiscards.count += "pool is full" in record.getMessage()


def resident_bytes():
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # not Linux
        return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name")
    parser.add_argument("kind", choices=("sync", "aio"))
    parser.add_argument("url")
    parser.add_argument("ca_file")
    parser.add_argument("size", type=int)
    parser.add_argument("threads", type=int)
    arguments = parser.parse_args()
    handler = CountDiscards()
    logging.getLogger("urllib3.connectionpool").addHandler(handler)
    logging.getLogger("urllib3.connectionpool").propagate = False
    make = (SYNC if arguments.kind == "sync" else AIO)[arguments.name]
    if arguments.name == "published" and version("azure-messaging-webpubsubservice") != PUBLISHED:
        raise SystemExit("this is not the published library")
    rival = make(arguments.url, arguments.ca_file or None, arguments.size, arguments.threads)
    for line in sys.stdin:
        count, workers = map(int, line.split())
        wall, cpu = time.perf_counter(), time.process_time()
        rival.run(count, workers)
        cost = {
            "cpu": time.process_time() - cpu,
            "wall": time.perf_counter() - wall,
            "resident": resident_bytes(),
            "discarded": CountDiscards.count,
        }
        print(json.dumps(cost), flush=True)
    rival.close()


if __name__ == "__main__":
    main()
