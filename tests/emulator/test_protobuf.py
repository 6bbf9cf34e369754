"""The protobuf subprotocols (service facts, Protobuf). Vectors: those of the JavaScript and C# clients' tests."""

import base64
import json
import subprocess
import sys

import pytest
from google.protobuf.any_pb2 import Any
from hypothesis import given, settings
from hypothesis import strategies as st

from azure.messaging.webpubsubservice.emulator.hub._frames import (
    Ack,
    BadFrame,
    Connected,
    Disconnected,
    Event,
    GroupState,
    Invoke,
    InvokeResponse,
    JoinGroup,
    LeaveGroup,
    Message,
    Payload,
    Ping,
    Pong,
    SendToGroup,
    SequenceAck,
    Stream,
    StreamClosed,
)
from azure.messaging.webpubsubservice.emulator.protocols import _protobuf as protobuf
from azure.messaging.webpubsubservice.emulator.protocols._protobuf_schema import CLASSES

JSON = Payload("json", b'{"value":"xyz"}')
ANY = Payload("protobuf", bytes.fromhex("0a076578616d706c65120378797a"))


@pytest.mark.parametrize(
    ("wire", "frame"),
    [
        ("32070a0567726f7570", JoinGroup("group")),
        ("320b0a0567726f757010e5d802", JoinGroup("group", 44133)),
        ("3a070a0567726f7570", LeaveGroup("group")),
        ("OgoKBWdyb3VwELlg", LeaveGroup("group", 12345)),
        ("Cg4KBWdyb3VwGgUKA3h6eQ==", SendToGroup("group", Payload("text", b"xzy"))),
        (
            "Ch8KBWdyb3VwELlgGhEiD3sidmFsdWUiOiJ4enkifSAB",
            SendToGroup("group", Payload("json", b'{"value":"xzy"}'), 12345, no_echo=True),
        ),
        ("ChMKBWdyb3VwELlgGgUSA3h5eiAB", SendToGroup("group", Payload("binary", b"xyz"), 12345, no_echo=True)),
        ("Ch4KBWdyb3VwELlgGhAaDgoHZXhhbXBsZRIDeHl6IAE=", SendToGroup("group", ANY, 12345, no_echo=True)),
        ("Kg4KBWV2ZW50EgUKA3h6eQ==", Event("event", Payload("text", b"xzy"))),
        ("Kh0KBWV2ZW50EhEiD3sidmFsdWUiOiJ4enkifRi5YA==", Event("event", Payload("json", b'{"value":"xzy"}'), 12345)),
        ("KhEKBWV2ZW50EgUSA3h5ehi5YA==", Event("event", Payload("binary", b"xyz"), 12345)),
        ("KhwKBWV2ZW50EhAaDgoHZXhhbXBsZRIDeHl6GLlg", Event("event", ANY, 12345)),
        ("420408c0c407", SequenceAck(123456)),
        ("4a00", Ping()),
        ("520c0a056576656e74120378797a", Invoke("xyz")),
        ("5a050a03616263", None),
        ("6a050a03616263", Stream("abc")),
        ("72050a03616263", Stream("abc")),
        ("eiMKCWNoYXQtcm9vbRABGhQKEgoIYWN0aXZpdHkSBnR5cGluZw==", GroupState(1)),
        ("ggENCgljaGF0LXJvb20QAw==", GroupState(3)),
        ("igENCgljaGF0LXJvb20QBA==", GroupState(4)),
        # group "g", stream "s" and no data; ttl 300 and empty text; ack id 0 and 2**64 - 1 are ids
        ("0a080a01673a030a0173", Stream("s")),
        ("0a0a0a01671a020a0028ac02", SendToGroup("g", Payload("text", b""), ttl_seconds=300)),
        ("3283080a8008" + "61" * 1024, JoinGroup("a" * 1024)),
        ("32050a01671000", JoinGroup("g", 0)),
        ("320e0a016710ffffffffffffffffff01", JoinGroup("g", 2**64 - 1)),
        # metadata alone is empty text
        ("0a0b0a016732060a016b120176", SendToGroup("g", Payload("text", b""), metadata={"k": "v"})),
        # a field 99 inside and outside is passed over
        ("32060a0167980601980601", JoinGroup("g")),
    ],
)
def test_client_message_is_read(wire, frame):
    data = bytes.fromhex(wire) if set(wire) <= set("0123456789abcdef") else base64.b64decode(wire)
    assert protobuf.parse_frame(data) == frame


@pytest.mark.parametrize(
    "wire",
    [
        "",
        "980601",  # only an unknown field
        "ff",
        "32",
        "3205",
        "3200",  # group missing
        "32040a022020",  # group blank
        "3284080a8108" + "61" * 1025,  # group of 1,025 characters
        "32030a01ff",  # group not UTF-8
        "0a030a0167",  # no data
        "0a050a01671a00",  # data without a kind
        "0a0a0a01671a020a0028ad02",  # ttl 301
        "0a090a01671a0422027b7d".replace("7b7d", "7b78"),  # json_data is not JSON
        "0a080a01671a031a01ff",  # protobuf_data is no Any
        "2a0a0a0220611204 0a026162".replace(" ", ""),  # event name " a"
        "2a061204 0a026162".replace(" ", ""),  # event name missing
        "0a0b0a016732060a014b120176",  # metadata key in upper case
        "7b7d",
    ],
)
def test_malformed_client_message_is_a_bad_frame(wire):
    with pytest.raises(BadFrame) as error:
        protobuf.parse_frame(bytes.fromhex(wire))
    assert error.value.code == 1007
    assert str(error.value) == "The client message is not a valid protobuf protocol message."


@pytest.mark.parametrize(
    ("frame", "wire"),
    [
        (Ack(123), "CgQIexAB"),
        (Ack(123, "Forbidden", "message"), "ChoIexAAGhQKCUZvcmJpZGRlbhIHbWVzc2FnZQ=="),
        (Message(Payload("text", b"xyz"), "groupName", "ann", {}, 12345), "EhwKBWdyb3VwEglncm91cE5hbWUaBQoDeHl6ILlg"),
        (Message(JSON, "groupName"), "EiUKBWdyb3VwEglncm91cE5hbWUaESIPeyJ2YWx1ZSI6Inh5eiJ9"),
        (Message(Payload("binary", b"xyz"), "groupName"), "EhkKBWdyb3VwEglncm91cE5hbWUaBRIDeHl6"),
        (Message(ANY, "groupName"), "EiQKBWdyb3VwEglncm91cE5hbWUaEBoOCgdleGFtcGxlEgN4eXo="),
        (Message(Payload("text", b"xyz"), sequence_id=12345), "EhIKBnNlcnZlchoFCgN4eXoguWA="),
        (Message(JSON), "EhsKBnNlcnZlchoRIg97InZhbHVlIjoieHl6In0="),
        (Message(Payload("binary", b"xyz")), "Eg8KBnNlcnZlchoFEgN4eXo="),
        (Message(ANY), "EhoKBnNlcnZlchoQGg4KB2V4YW1wbGUSA3h5eg=="),
        (Connected("connection", "user"), "GhQKEgoKY29ubmVjdGlvbhIEdXNlcg=="),
        (Connected("connection", "user", "rec"), "GhkKFwoKY29ubmVjdGlvbhIEdXNlchoDcmVj"),
        (Disconnected("msg"), "GgcSBRIDbXNn"),
        (Pong(), "IgA="),
    ],
)
def test_service_frame_is_written(frame, wire):
    message = CLASSES["DownstreamMessage"]
    assert message.FromString(protobuf.format_frame(frame)) == message.FromString(base64.b64decode(wire))


def test_no_sequence_id_and_no_group_are_absent_not_empty():
    message = CLASSES["DownstreamMessage"].FromString(protobuf.format_frame(Message(JSON))).data
    assert not message.HasField("sequence_id")
    assert not message.HasField("group")


def test_disconnected_reason_is_field_2():
    assert protobuf.format_frame(Disconnected("msg")).hex() == "1a07" + "1205" + "1203" + b"msg".hex()


def test_anonymous_user_is_the_empty_string():
    assert protobuf.format_frame(Connected("c", None)).hex() == "1a05" + "0a03" + "0a0163"


def test_json_goes_to_text_data_when_asked_for():
    data = CLASSES["DownstreamMessage"].FromString(protobuf.format_frame(Message(JSON), json_as_text=True)).data.data
    assert data.WhichOneof("message") == "text_data"
    assert data.text_data == '{"value":"xyz"}'


def test_bytes_that_are_no_any_go_as_binary():
    data = (
        CLASSES["DownstreamMessage"].FromString(protobuf.format_frame(Message(Payload("protobuf", b"\xff")))).data.data
    )
    assert (data.WhichOneof("message"), data.binary_data) == ("binary_data", b"\xff")


def test_preview_features_are_answered_by_their_own_kind_of_failure():
    message = CLASSES["DownstreamMessage"]
    invoked = message.FromString(protobuf.format_frame(InvokeResponse("7", "BadRequest", "no"))).invoke_response
    assert (invoked.invocation_id, invoked.success, invoked.error.name) == ("7", False, "BadRequest")
    closed = message.FromString(protobuf.format_frame(StreamClosed("s", "BadRequest", "no"))).stream_closed
    assert (closed.stream_id, closed.error.message) == ("s", "no")


NAMES = st.text(min_size=1, max_size=20).filter(lambda name: name.strip())
TEXT = st.text(max_size=20)
PAYLOADS = st.one_of(
    TEXT.map(lambda text: Payload("text", text.encode())),
    st.binary(max_size=20).map(lambda data: Payload("binary", data)),
    TEXT.map(lambda text: Payload("json", json.dumps({"a": [text, 1.0]}).encode())),
    st.binary(max_size=9).map(lambda value: Payload("protobuf", Any(type_url="u", value=value).SerializeToString())),
)
METADATA = st.dictionaries(st.text("abc-_", min_size=1, max_size=4), st.text("xyz ", max_size=4), max_size=3)
UINT64 = st.integers(0, 2**64 - 1)
FIELDS = {"text": "text_data", "binary": "binary_data", "json": "json_data", "protobuf": "protobuf_data"}


def wire_data(payload):
    data = payload.data
    return {FIELDS[payload.type]: data.decode() if payload.type in ("text", "json") else data}


def present(**fields):
    return {name: value for name, value in fields.items() if value is not None}


@settings(max_examples=50, deadline=None)
@given(NAMES, PAYLOADS, st.none() | UINT64, st.tuples(st.booleans(), st.none() | st.integers(0, 300)), METADATA)
def test_any_group_message_is_read_as_it_was_written(group, payload, ack_id, how, metadata):
    no_echo, ttl = how
    fields = present(group=group, ack_id=ack_id, no_echo=no_echo, ttl_seconds=ttl, metadata=metadata)
    message = CLASSES["UpstreamMessage"](send_to_group={**fields, "data": wire_data(payload)})
    assert protobuf.parse_frame(message.SerializeToString()) == SendToGroup(
        group, payload, ack_id, no_echo=no_echo, ttl_seconds=ttl, metadata=metadata
    )


@settings(max_examples=50, deadline=None)
@given(st.none() | NAMES, PAYLOADS, st.none() | UINT64, METADATA)
def test_any_message_to_a_client_is_what_the_runtime_reads(group, payload, sequence_id, metadata):
    frame = Message(payload, group, "ann", metadata)
    fields = present(group=group, sequence_id=sequence_id, metadata=metadata)
    fields |= {"from": "server" if group is None else "group", "data": wire_data(payload)}
    wire = b"".join(protobuf.message_parts(frame)(sequence_id))
    assert CLASSES["DownstreamMessage"].FromString(wire) == CLASSES["DownstreamMessage"](data=fields)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=40))
def test_random_bytes_are_a_frame_or_a_bad_frame(data):
    try:
        protobuf.parse_frame(data)
    except BadFrame:
        return


def test_deep_nesting_is_a_bad_frame():
    with pytest.raises(BadFrame):
        protobuf.parse_frame(b"\x9b\x06" * 100_000)  # groups of an unknown field, never closed


def test_runtime_is_not_imported_before_the_codec_is():
    code = (
        "import sys, azure.messaging.webpubsubservice.emulator; assert 'google.protobuf' not in sys.modules;"
        "import azure.messaging.webpubsubservice.emulator.protocols._protobuf; assert 'google.protobuf' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
