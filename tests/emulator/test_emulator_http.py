"""HTTP beside the operations: ``Expect``, targets in absolute form, health, and the page for whoever comes by."""

import asyncio
import io
import shutil
import socket
import subprocess

import aiohttp
import pytest
from emulator_peers import WAIT, Caller, sign

from azure.messaging.webpubsubservice.emulator import RestFault

SEND = "/api/hubs/chat/:send?api-version=2024-12-01"


class Peer:
    """One connection, read as strictly as HTTP is written."""

    def __init__(self, emulator):
        self.emulator = emulator
        self.socket = socket.create_connection(("127.0.0.1", emulator.port), timeout=WAIT)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def ask(self, method, target, *lines, token=True):
        """Send a head, and no body."""
        head = [f"{method} {target} HTTP/1.1", f"Host: 127.0.0.1:{self.emulator.port}", *lines]
        if token:
            head.append(f"Authorization: Bearer {sign(self.emulator.access_key, aud=self.emulator.endpoint + target)}")
        self.socket.sendall("\r\n".join([*head, "", ""]).encode())

    def read(self):
        """Return the status and the headers of the next answer; its body is read and dropped."""
        while b"\r\n\r\n" not in self.buffer:
            more = self.socket.recv(65536)
            assert more, self.buffer
            self.buffer += more
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        assert status.startswith("HTTP/1.1 ")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        number = int(status.split()[1])
        length = 0 if number == 100 else int(headers["content-length"])
        while len(self.buffer) < length:
            self.buffer += self.socket.recv(65536)
        self.buffer = self.buffer[length:]
        return number, headers

    def is_closed(self):
        self.socket.shutdown(socket.SHUT_WR)
        return self.buffer == b"" and self.socket.recv(1) == b""


@pytest.fixture
def peer(emulator):
    with Peer(emulator) as connection:
        yield connection


EXPECT = ("Expect: 100-continue", "Content-Type: text/plain", "Content-Length: 5")


def test_body_is_called_for_and_the_connection_goes_on(emulator, peer):
    for expect in EXPECT[0], "expect: 100-Continue":
        peer.ask("POST", SEND, expect, *EXPECT[1:])
        assert peer.read() == (100, {})
        peer.socket.sendall(b"hello")
        assert peer.read()[0] == 202
    peer.ask("GET", "/api/health")
    assert peer.read()[0] == 200
    assert [send.data for send in emulator.record.sends] == [b"hello", b"hello"]


@pytest.mark.parametrize(
    ("target", "lines", "token", "status"),
    [
        (SEND, EXPECT, False, 401),
        (SEND, (EXPECT[0], "Content-Type: text/plain", f"Content-Length: {2**20 + 1}"), True, 400),
        (SEND, (EXPECT[0], "Content-Type: text/plain", "Transfer-Encoding: chunked"), True, 400),
        (SEND.replace("2024-12-01", "soon"), EXPECT, True, 400),
        ("/api/hubs/a%20b/:send", EXPECT, True, 400),
        ("/none", EXPECT, True, 404),
        ("/api/hubs/chat/groups/g", EXPECT, True, 405),
        ("/", EXPECT, True, 405),
        (SEND, (*EXPECT, "Origin: https://evil.example"), True, 403),
        (SEND, ("Expect: the-unexpected", *EXPECT[1:]), True, 417),
        ("/client/hubs/chat", EXPECT, False, 400),
    ],
)
def test_body_that_would_be_for_nothing_is_not_called_for(peer, target, lines, token, status):
    peer.ask("POST", target, *lines, token=token)
    number, headers = peer.read()
    # Nobody can know whether the body still comes, so no further request is taken on this connection.
    assert (number, headers["connection"]) == (status, "close")
    assert peer.is_closed()
    assert not peer.emulator.record.sends


def test_fault_answers_without_the_body(emulator, peer):
    emulator.inject(RestFault(status=503))
    peer.ask("POST", SEND, *EXPECT)
    assert peer.read()[0] == 503
    assert peer.is_closed()


def test_body_that_is_sent_unasked_is_read(emulator, peer):
    peer.ask("POST", SEND, *EXPECT)
    peer.socket.sendall(b"hello")
    assert [peer.read()[0], peer.read()[0]] == [100, 202]


def test_old_peer_and_one_without_a_body_are_called_for_nothing(emulator, peer):
    peer.ask("GET", "/api/health", EXPECT[0])
    number, headers = peer.read()
    assert (number, headers.get("connection")) == (200, None)
    old = f"POST {SEND} HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx".encode()
    assert Caller(emulator).raw(old).startswith(b"HTTP/1.0 401 ")


def test_aiohttp_client_that_waits_for_its_body_to_be_called_for_is_served(emulator):
    async def main():
        async with aiohttp.ClientSession() as session:
            for body in b"hello", b"x" * 2**20:
                headers = {
                    "Authorization": f"Bearer {sign(emulator.access_key, aud=emulator.endpoint + SEND)}",
                    "Content-Type": "text/plain",
                }
                async with session.post(
                    emulator.endpoint + SEND, data=io.BytesIO(body), headers=headers, expect100=True
                ) as answer:
                    assert answer.status == 202
            async with session.post(emulator.endpoint + SEND, data=io.BytesIO(b"x" * 2**21), expect100=True) as answer:
                assert answer.status == 401

    asyncio.run(asyncio.wait_for(main(), WAIT))
    assert [len(send.data) for send in emulator.record.sends] == [5, 2**20]


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_curl_loses_no_second_to_it(emulator, tmp_path):
    body = tmp_path / "body"
    body.write_bytes(b"x" * 2**20)
    token = sign(emulator.access_key, aud=emulator.endpoint + SEND)
    command = ["curl", "-sS", "--noproxy", "*", "-X", "POST", "--data-binary", f"@{body}", "--expect100-timeout", "60"]
    headers = ["-H", f"Authorization: Bearer {token}", "-H", "Content-Type: text/plain", "-H", "Expect: 100-continue"]
    done = subprocess.run([*command, *headers, emulator.endpoint + SEND], timeout=30, capture_output=True, check=True)
    assert (done.stdout, [len(send.data) for send in emulator.record.sends]) == (b"", [2**20])


def test_target_in_absolute_form_is_served_under_the_name_in_it(emulator, peer):
    target = f"http://emulator:8080{SEND}"
    token = sign(emulator.access_key, aud=target)
    lines = (f"Authorization: Bearer {token}", "Content-Type: text/plain", "Content-Length: 1")
    peer.ask("POST", target, *lines, token=False)
    peer.socket.sendall(b"x")
    assert peer.read()[0] == 202
    (send,) = emulator.record.sends
    assert send.data == b"x"
    peer.ask("GET", "http://localhost/api/health", token=False)
    assert peer.read()[0] == 200


def test_client_may_connect_with_a_target_in_absolute_form(emulator, peer):
    url = emulator.client_url("chat")
    upgrade = (
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {'a' * 22}==",
    )
    peer.ask("GET", url, *upgrade, token=False)
    assert peer.socket.recv(12) == b"HTTP/1.1 101"


@pytest.mark.parametrize("path", ["/", "/api/health", "/API/Health"])
def test_whoever_comes_by_needs_no_token(rest, path):
    page, head = (rest(method, path, token="", version=None) for method in ("GET", "HEAD"))
    assert (page.status, head.status) == (200, 200)
    assert head.body == b""
    assert head.headers["Content-Type"] == page.headers["Content-Type"]
    refused = rest("POST", path, b"", token="", version=None)
    assert (refused.status, refused.headers["Allow"]) == (405, "GET, HEAD")


def test_page_says_what_this_is(rest):
    page = rest("GET", "/", token="", version=None)
    assert page.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert b"Web PubSub emulator" in page.body
    assert rest.emulator.access_key.encode() not in page.body
