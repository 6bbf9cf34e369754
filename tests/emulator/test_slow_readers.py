"""Clients that read slowly or not at all: what waits for them is shared, counted for each and in sum, and not lost."""

import contextlib
import json
import socket
import struct
import tracemalloc

import pytest
from emulator_peers import WAIT, Caller
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed

from azure.messaging.webpubsubservice.emulator import SocketFault, WebPubSubEmulator
from azure.messaging.webpubsubservice.emulator.protocols._subprotocols import Numbered
from azure.messaging.webpubsubservice.emulator.server._backlogs import CHUNK, Backlog, Unread, overload

SUBPROTOCOLS = {
    "simple": None,
    "JSON": "json.webpubsub.azure.v1",
    "reliable JSON": "json.reliable.webpubsub.azure.v1",
    "protobuf": "protobuf.webpubsub.azure.v1",
    "reliable protobuf": "protobuf.reliable.webpubsub.azure.v1",
}
RELIABLE = SUBPROTOCOLS["reliable JSON"]
KIB, MIB = 2**10, 2**20
#: More than the buffers of the kernel take for one connection.
MUCH = 6 * MIB
CLOSE, PONG = 8, 10
any_subprotocol = pytest.mark.parametrize("subprotocol", SUBPROTOCOLS.values(), ids=SUBPROTOCOLS)


class Peer:
    """A WebSocket client by hand: it reads when it is told to."""

    def __init__(self, emulator, subprotocol=None, query="", **claims):
        target = emulator.client_url("chat", **claims).partition(str(emulator.port))[2] + query
        self.socket = socket.socket()
        self.socket.settimeout(WAIT)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * KIB)
        self.socket.connect(("127.0.0.1", emulator.port))
        self.socket.sendall(
            f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{emulator.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n".encode()
            + (f"Sec-WebSocket-Protocol: {subprotocol}\r\n" if subprotocol else "").encode()
            + b"\r\n"
        )
        self.subprotocol = subprotocol
        self.file = self.socket.makefile("rb")
        assert self.file.readline().startswith(b"HTTP/1.1 101 ")
        while self.file.readline() != b"\r\n":
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def frame(self):
        """The next frame: its opcode and its payload."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MIB)
        first, size = self.file.read(2)
        if size == 126:
            (size,) = struct.unpack("!H", self.file.read(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self.file.read(8))
        return first & 15, self.file.read(size)

    def message(self):
        """The text and the sequence id of the next message."""
        opcode, payload = self.frame()
        assert opcode in (1, 2)
        if self.subprotocol is None:
            return payload.decode(), None
        if "json" in self.subprotocol:
            value = json.loads(payload)
            return value["data"], value.get("sequenceId")
        from azure.messaging.webpubsubservice.emulator.protocols._protobuf_schema import CLASSES

        message = CLASSES["DownstreamMessage"].FromString(payload).data
        return message.data.text_data, message.sequence_id if message.HasField("sequence_id") else None

    def send(self, opcode, payload=b""):
        """Send a frame of less than 126 bytes."""
        self.socket.sendall(bytes([0x80 | opcode, 0x80 | len(payload)]) + bytes(4) + payload)

    def is_cut_off(self):
        """Whether the connection ends without a close frame, whatever is read before."""
        try:
            while self.frame()[0] != CLOSE:
                pass
        except (ConnectionError, ValueError, struct.error):
            return True
        return False


class Publisher:
    """Sends texts over REST."""

    def __init__(self, emulator):
        self.rest = Caller(emulator)

    def send(self, text, to=""):
        assert self.rest("POST", f"/api/hubs/chat/{to}:send", text.encode(), "text/plain").status == 202

    def is_there(self, user_id):
        return self.rest("HEAD", f"/api/hubs/chat/users/{user_id}").status == 200


@pytest.fixture
def publisher(emulator):
    return Publisher(emulator)


# Nothing is lost


@any_subprotocol
def test_client_that_reads_late_gets_every_message_in_order(emulator, publisher, subprotocol):
    with Peer(emulator, subprotocol) as peer:
        sizes = [1, 100, 70 * KIB, 900 * KIB] * (MUCH // (900 * KIB))
        texts = [f"{number}:" + "x" * size for number, size in enumerate(sizes)]
        for text in texts:
            publisher.send(text)
        if subprotocol:
            peer.frame()  # connected
        reliable = bool(subprotocol and "reliable" in subprotocol)
        for number, text in enumerate(texts, 1):
            assert peer.message() == (text, number if reliable else None)
        publisher.send("and on it goes")
        assert peer.message()[0] == "and on it goes"


def test_close_comes_after_what_waits(emulator, publisher):
    with Peer(emulator) as peer:
        for _ in range(MUCH // MIB):
            publisher.send("x" * 1000 * KIB)
        assert publisher.rest("POST", "/api/hubs/chat/:closeConnections").status == 204
        assert [len(peer.message()[0]) for _ in range(MUCH // MIB)] == [1000 * KIB] * (MUCH // MIB)
        assert peer.frame() == (CLOSE, struct.pack("!H", 1000))


@pytest.mark.parametrize("says_no_more", [True, False], ids=["half closed", "close frame"])
def test_client_that_leaves_gets_what_waits(emulator, publisher, says_no_more):
    with Peer(emulator) as peer:
        for _ in range(MUCH // MIB):
            publisher.send("x" * 1000 * KIB)
        if says_no_more:
            peer.socket.shutdown(socket.SHUT_WR)
        else:
            peer.send(CLOSE, struct.pack("!H", 4001))
        assert [len(peer.message()[0]) for _ in range(MUCH // MIB)] == [1000 * KIB] * (MUCH // MIB)
        if not says_no_more:
            assert peer.frame() == (CLOSE, struct.pack("!H", 4001))
        assert peer.file.read() == b""


def test_recovered_client_that_reads_late_gets_every_message(emulator, publisher):
    with Peer(emulator, RELIABLE) as peer:
        connected = json.loads(peer.frame()[1])
    for number in range(MUCH // MIB):
        publisher.send(f"{number}:" + "x" * 1000 * KIB)
    query = f"&awps_connection_id={connected['connectionId']}&awps_reconnection_token={connected['reconnectionToken']}"
    with Peer(emulator, RELIABLE, query) as peer:
        publisher.send("the last one")
        assert json.loads(peer.frame()[1])["event"] == "connected"
        assert [peer.message()[1] for _ in range(MUCH // MIB)] == list(range(1, MUCH // MIB + 1))
        assert peer.message() == ("the last one", MUCH // MIB + 1)


# It is not copied for each client


@any_subprotocol
def test_message_waits_once_for_all_slow_readers(subprotocol):
    count = 20
    with contextlib.ExitStack() as stack:
        emulator = stack.enter_context(WebPubSubEmulator(max_unread_total_bytes=2**40))
        for number in range(count):
            stack.enter_context(Peer(emulator, subprotocol, user_id=f"u{number}"))
        publisher = Publisher(emulator)
        publisher.send("once, for what is loaded with the first message")
        stack.callback(tracemalloc.stop)
        tracemalloc.start()
        for _ in range(MUCH // MIB):
            publisher.send("x" * 1000 * KIB)
        grown, _ = tracemalloc.get_traced_memory()
        assert all(publisher.is_there(f"u{number}") for number in range(count))
    # The message, its text for the wire, and for each client the rest of a chunk. If each had a copy, it would be twice
    # as much at least, although the kernel takes four megabytes for each.
    assert grown < 2.5 * MUCH + count * CHUNK < count * (MUCH - 4 * MIB) / 2


# It is bounded


def test_client_for_whom_the_most_waits_is_cut_off_first_and_the_others_get_everything():
    with WebPubSubEmulator(max_unread_bytes=2**40, max_unread_total_bytes=6 * MUCH) as emulator:
        publisher = Publisher(emulator)
        users = ["little", "most", "more"]
        with contextlib.ExitStack() as stack:
            peers = {user: stack.enter_context(Peer(emulator, user_id=user)) for user in users}
            sent = dict.fromkeys(users, 0)
            for user, share in (("little", 1), ("more", 2), ("most", 3)):
                for _ in range(share * MUCH // MIB):
                    publisher.send("x" * 1000 * KIB, f"users/{user}/")
                    sent[user] += 1
            assert all(publisher.is_there(user) for user in users)
            while publisher.is_there("most"):
                assert sent["little"] < 10 * MUCH // MIB
                publisher.send("x" * 1000 * KIB)
                for user in users:
                    sent[user] += 1
            assert publisher.is_there("little")
            assert publisher.is_there("more")
            assert peers["most"].is_cut_off()
            for user in ("little", "more"):
                assert [len(peers[user].message()[0]) for _ in range(sent[user])] == [1000 * KIB] * sent[user]


@any_subprotocol
def test_sum_is_bounded_though_each_client_is_within_its_own_bound(subprotocol):
    with contextlib.ExitStack() as stack:
        emulator = stack.enter_context(WebPubSubEmulator(max_unread_bytes=2**40, max_unread_total_bytes=MUCH))
        for n in range(4):
            stack.enter_context(Peer(emulator, subprotocol, user_id=f"u{n}"))
        publisher = Publisher(emulator)
        for _ in range(2 * MUCH // MIB):
            publisher.send("x" * 1000 * KIB)
        assert sum(publisher.is_there(f"u{n}") for n in range(4)) < 4


def test_recovered_client_that_does_not_read_is_cut_off(caplog):
    caplog.set_level("INFO", "azure.messaging.webpubsubservice.emulator")
    with WebPubSubEmulator(max_unread_bytes=MIB) as emulator:
        publisher = Publisher(emulator)
        with Peer(emulator, RELIABLE, user_id="ann") as peer:
            connected = json.loads(peer.frame()[1])
        for _ in range(MUCH // MIB):
            publisher.send("x" * 1000 * KIB)
        query = (
            f"&awps_connection_id={connected['connectionId']}&awps_reconnection_token={connected['reconnectionToken']}"
        )
        with Peer(emulator, RELIABLE, query) as peer:
            assert publisher.is_there("ann")  # and what waited for her has been written
            assert peer.is_cut_off()
    assert "max_unread_bytes" in caplog.text


def test_pongs_that_nobody_reads_count_in_sum():
    with WebPubSubEmulator(max_unread_total_bytes=256 * KIB) as emulator, Peer(emulator) as peer:
        pings = (b"\x89\xfd" + bytes(4) + bytes(125)) * 4000
        with pytest.raises(ConnectionError):
            peer.socket.sendall(pings * 60)
        assert Caller(emulator)("HEAD", "/api/health").status == 200


def test_log_says_who_was_cut_off_and_which_bound_it_was(caplog):
    caplog.set_level("INFO", "azure.messaging.webpubsubservice.emulator")
    with WebPubSubEmulator(max_unread_total_bytes=MIB) as emulator, Peer(emulator, user_id="slow"):
        publisher = Publisher(emulator)
        for _ in range(MUCH // MIB):
            publisher.send("x" * 1000 * KIB)
        assert not publisher.is_there("slow")
    (line,) = [record.getMessage() for record in caplog.records if "unread" in record.getMessage()]
    assert line.endswith("whose unread bytes are more than max_unread_total_bytes (1,048,576)")


# What reliable clients do not confirm


@pytest.mark.parametrize("is_lost", [False, True], ids=["there", "lost"])
def test_reliable_client_for_whom_the_most_is_kept_is_closed_first(is_lost, open_socket):
    with WebPubSubEmulator(max_unread_total_bytes=4 * MIB) as emulator:
        publisher = Publisher(emulator)
        clients = {
            user: open_socket(at=emulator, protocol=RELIABLE, user_id=user) for user in ("most", "more", "little")
        }
        if is_lost:
            emulator.inject(SocketFault(user_id="most", drop=True))

        def send_to(user):
            publisher.send("x" * 1000 * KIB, f"users/{user}/")
            if user != "most" or not is_lost:
                assert len(json.loads(clients[user].recv(timeout=WAIT))["data"]) == 1000 * KIB

        for user in ("little", "more", "most", "most"):
            send_to(user)
        assert all(map(publisher.is_there, clients))
        for _ in range(2):
            send_to("most")
        assert [publisher.is_there(user) for user in clients] == [False, True, True]
        if not is_lost:
            with pytest.raises(ConnectionClosed):
                clients["most"].recv(timeout=WAIT)
            assert clients["most"].close_code == 1008
        publisher.send("and on it goes")
        assert json.loads(clients["more"].recv(timeout=WAIT))["data"] == "and on it goes"


def test_message_that_is_kept_for_many_counts_once(open_socket):
    with WebPubSubEmulator(max_unread_total_bytes=4 * MIB) as emulator:
        publisher = Publisher(emulator)
        clients = [open_socket(at=emulator, protocol=RELIABLE, user_id=f"u{number}") for number in range(8)]
        for _ in range(3):
            publisher.send("x" * 1000 * KIB)
            for client in clients:
                client.recv(timeout=WAIT)
        assert all(publisher.is_there(f"u{number}") for number in range(8))


def test_overload_is_over_when_what_is_kept_is_small_enough():
    shared, own = [object() for _ in range(3)], [object() for _ in range(3)]
    kept = {
        "little": [(shared[0], 10)],
        "most": [(each, 10) for each in (*shared, *own)],
        "much": [(each, 10) for each in shared],
        "none": [],
    }
    assert overload(kept, 60) == []
    assert overload(kept, 59) == ["most"]
    assert overload(kept, 29) == ["most", "much"]
    assert overload(kept, 0) == ["most", "much", "little"]


# A backlog


def numbered(text):
    return Numbered(1, lambda number: (text, b"%d" % number))


FRAMES = st.lists(
    st.one_of(
        st.integers(0, 3 * CHUNK).map(bytes),
        st.tuples(st.integers(0, 3 * CHUNK).map(bytes), st.integers(1, 2**64)),
    ),
    max_size=12,
)


@given(FRAMES, st.data())
def test_backlog_gives_out_what_was_added_in_pieces_that_are_small_enough(frames, data):
    backlog, expected, taken = Backlog(), b"", b""
    for frame in frames:
        if isinstance(frame, bytes):
            backlog.add(frame)
            expected += frame
        else:
            backlog.add_numbered(numbered(frame[0]), frame[1])
            expected += numbered(frame[0]).frame(frame[1])
        if backlog and data.draw(st.booleans()):
            piece = backlog.take()
            assert len(piece) <= CHUNK
            taken += piece
        assert (backlog.size > 0) == bool(backlog)
    while backlog:
        taken += backlog.take()
    assert taken == expected
    assert backlog.size == 0


def test_backlog_joins_small_frames_and_counts_each():
    backlog = Backlog()
    for _ in range(1000):
        backlog.add(b"xx")
    assert backlog.size >= 1000 * 2
    assert bytes(backlog.take()) == b"xx" * 1000
    assert not backlog


def test_backlog_makes_the_bytes_of_a_numbered_frame_when_they_are_written():
    made = []

    def parts(number):
        made.append(number)
        return (b"shared", b"%d" % number)

    message, backlog = Numbered(1, parts), Backlog()
    made.clear()
    for number in range(5):
        backlog.add_numbered(message, number)
    assert made == []
    backlog.take()
    assert made == [0, 1, 2, 3, 4]


def test_unread_bytes_are_bounded_for_each_and_the_worst_go_first_until_the_sum_is_small_enough():
    gone = []

    def cut_off(client, why):
        gone.append(client)
        unread.count(client, 0)

    unread = Unread(100, 200, cut_off)
    for client, size in (("a", 40), ("b", 90), ("c", 60), ("b", 101)):
        unread.count(client, size)
        unread.check_sum()
    assert gone == ["b"]
    for client, size in (("d", 80), ("e", 70), ("f", 0)):
        unread.count(client, size)
    unread.check_sum()
    assert gone == ["b", "d"]
    unread.check_sum()
    assert gone == ["b", "d"]
