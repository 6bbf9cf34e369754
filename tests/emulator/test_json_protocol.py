"""Frames of the JSON subprotocols, byte for byte. (service facts, JSON frames)"""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azure.messaging.webpubsubservice.emulator.hub._frames import (
    Ack,
    BadFrame,
    CancelInvocation,
    Connected,
    Disconnected,
    EndStream,
    Event,
    Invoke,
    InvokeResponse,
    JoinGroup,
    LeaveGroup,
    Message,
    OpenStream,
    Payload,
    Ping,
    Pong,
    SendToGroup,
    SequenceAck,
    SetGroupState,
    StreamAck,
    StreamClosed,
    StreamData,
    StreamNack,
    StreamPart,
    SubscribeGroupState,
)
from azure.messaging.webpubsubservice.emulator.hub._json_text import check_json, compact, parse_object
from azure.messaging.webpubsubservice.emulator.protocols._json import format_frame, message_parts, parse_frame

TOP = 2**64 - 1


def text(value):
    return Payload("text", value.encode())


def parsed_json(value):
    return Payload("json", value.encode())


@pytest.mark.parametrize(
    ("written", "frame"),
    [
        ('{"type":"joinGroup","group":"g"}', JoinGroup("g")),
        ('{"type":"joinGroup","group":"g","ackId":1}', JoinGroup("g", 1)),
        ('{"type":"JOINGROUP","group":"g","more":{"a":[]}}', JoinGroup("g")),
        ('{"type":"joinGroup","group":"g","ackId":null}', JoinGroup("g")),
        ('{"type":"joinGroup","group":"g","ackId":0}', JoinGroup("g", 0)),
        (f'{{"type":"leaveGroup","group":"g","ackId":{TOP}}}', LeaveGroup("g", TOP)),
        (
            '{"type":"sendToGroup","group":"g","dataType":"text","data":"hé"}',
            SendToGroup("g", text("hé")),
        ),
        (
            '{"type":"sendToGroup","group":"g","data":{"a": [1.0, 1e400, "x  y"]},"noEcho":true,"ackId":5}',
            SendToGroup("g", parsed_json('{"a":[1.0,1e400,"x  y"]}'), 5, True),
        ),
        ('{"type":"sendToGroup","group":"g","dataType":"json","data":"x"}', SendToGroup("g", parsed_json('"x"'))),
        ('{"type":"sendToGroup","group":"g","data":0}', SendToGroup("g", parsed_json("0"))),
        (
            '{"type":"sendToGroup","group":"g","dataType":"binary","data":"AAE=","ttlSeconds":300}',
            SendToGroup("g", Payload("binary", b"\x00\x01"), ttl_seconds=300),
        ),
        (
            '{"type":"sendToGroup","group":"g","dataType":"protobuf","data":"AAE="}',
            SendToGroup("g", Payload("protobuf", b"\x00\x01")),
        ),
        (
            '{"type":"sendToGroup","group":"g","metadata":{"k":"v"}}',
            SendToGroup("g", text(""), metadata={"k": "v"}),
        ),
        ('{"type":"event","event":"e","ackId":2,"dataType":"text","data":""}', Event("e", text(""), 2)),
        ('{"type":"ping"}', Ping()),
        (' \n{ "type" : "ping" } ', Ping()),
        ('{"type":"sequenceAck","sequenceId":7}', SequenceAck(7)),
        ('{"type":"ping","type":"sequenceAck","sequenceId":7}', SequenceAck(7)),
        ('{"type":"invoke","invocationId":"1","target":"event","event":"e"}', Invoke("1", "e")),
        ('{"type":"invoke","invocationId":"1","event":"e","data":[1]}', Invoke("1", "e", parsed_json("[1]"))),
        ('{"type":"invoke","invocationId":"1","target":"hub","event":"e"}', Invoke("1")),
        ('{"type":"cancelInvocation","invocationId":"1"}', CancelInvocation("1")),
        ('{"type":"sendToGroup","group":"g","stream":{"streamId":"s"}}', OpenStream("s", "g")),
        (
            '{"type":"sendToGroup","group":"g","noEcho":true,"stream":{"streamId":"s","idleTimeoutMs":500}}',
            OpenStream("s", "g", True, 0.5),
        ),
        ('{"type":"streamData","streamId":"s"}', StreamData("s")),
        (
            '{"type":"streamData","streamId":"s","streamSequenceId":1,"dataType":"text","data":"x"}',
            StreamData("s", 1, text("x")),
        ),
        ('{"type":"streamEnd","streamId":"s"}', EndStream("s")),
        ('{"type":"streamEnd","streamId":"s","error":{"message":"m","userErrorCode":"c"}}', EndStream("s", ("m", "c"))),
        ('{"type":"streamEnd","streamId":"s","error":{}}', EndStream("s", ("", None))),
        ('{"type":"setGroupState","group":"g","ackId":3}', SetGroupState("g", None, 3)),
        ('{"type":"setGroupState","group":"g","state":{"k":"v"}}', SetGroupState("g", {"k": "v"})),
        ('{"type":"subscribeGroupState","group":"g","ackId":3}', SubscribeGroupState("g", True, 3)),
        ('{"type":"unsubscribeGroupState","group":"g"}', SubscribeGroupState("g", False)),
    ],
)
def test_parse_understands_the_frame(written, frame):  # 3.1
    assert parse_frame(written.encode()) == frame


@pytest.mark.parametrize(
    "written",
    [
        "",
        "{",
        "[]",
        "null",
        '"ping"',
        '{"type":"ping"}{}',
        '{"type":"ping",}',
        '{type:"ping"}',
        '{"type":"nothing"}',
        '{"type":1}',
        "{}",
        '{"type":"joinGroup"}',
        '{"type":"joinGroup","group":1}',
        '{"type":"joinGroup","group":""}',
        '{"type":"joinGroup","group":" \\t"}',
        f'{{"type":"joinGroup","group":"{"g" * 1025}"}}',
        '{"type":"joinGroup","group":"\\ud800"}',
        '{"type":"joinGroup","group":"g","ackId":-1}',
        '{"type":"joinGroup","group":"g","ackId":1.5}',
        '{"type":"joinGroup","group":"g","ackId":"1"}',
        '{"type":"joinGroup","group":"g","ackId":true}',
        f'{{"type":"joinGroup","group":"g","ackId":{TOP + 1}}}',
        f'{{"type":"joinGroup","group":"g","ackId":{"9" * 10_000}}}',
        '{"type":"sendToGroup","group":"g"}',
        '{"type":"sendToGroup","group":"g","data":null}',
        '{"type":"sendToGroup","group":"g","data":NaN}',
        '{"type":"sendToGroup","group":"g","data":1,"noEcho":"yes"}',
        '{"type":"sendToGroup","group":"g","dataType":"text","data":1}',
        '{"type":"sendToGroup","group":"g","dataType":"xml","data":"1"}',
        '{"type":"sendToGroup","group":"g","dataType":"binary","data":"?"}',
        '{"type":"sendToGroup","group":"g","dataType":"binary","data":"AAE"}',
        '{"type":"sendToGroup","group":"g","data":1,"ttlSeconds":301}',
        '{"type":"sendToGroup","group":"g","data":1,"metadata":{"K":"v"}}',
        '{"type":"sendToGroup","group":"g","data":1,"metadata":{"k":1}}',
        f'{{"type":"sendToGroup","group":"g","data":1,"metadata":{{"k":"{"v" * 1025}"}}}}',
        '{"type":"event","event":"1e","data":1}',
        '{"type":"event","event":"e e","data":1}',
        f'{{"type":"event","event":"e{"e" * 128}","data":1}}',
        '{"type":"invoke","target":"event","event":"e"}',
        '{"type":"invoke","invocationId":"1","target":"event","event":"1e"}',
        '{"type":"cancelInvocation"}',
        '{"type":"sendToGroup","group":"g","stream":{}}',
        '{"type":"sendToGroup","group":"g","stream":[]}',
        '{"type":"sendToGroup","group":"g","ackId":1,"stream":{"streamId":"s"}}',
        '{"type":"sendToGroup","group":"g","data":1,"stream":{"streamId":"s"}}',
        '{"type":"sendToGroup","group":"g","stream":{"streamId":"s","idleTimeoutMs":0}}',
        '{"type":"sendToGroup","group":"g","stream":{"streamId":"\\ud800"}}',
        '{"type":"streamData","streamId":"s","streamSequenceId":0,"data":1}',
        '{"type":"streamData","streamId":"s","streamSequenceId":1}',
        '{"type":"streamEnd","streamId":"s","error":"no"}',
        '{"type":"setGroupState","group":"g","state":{"k":1}}',
        '{"type":"setGroupState","group":"g","state":["k"]}',
        '{"type":"subscribeGroupState"}',
        '{"type":"sequenceAck"}',
        '{"type":"sequenceAck","sequenceId":"7"}',
        '{"type":"sendToGroup","group":"g","data":' + "[" * 100_000,
        '{"type":"sendToGroup","group":"g","data":' + "[" * 100_000 + "]" * 100_000 + "}",
    ],
    ids=lambda written: written[:60],
)
def test_parse_refuses_what_is_no_frame(written):  # 3.5
    with pytest.raises(BadFrame, match=r"^The client message is not a valid JSON protocol message\.$") as caught:
        parse_frame(written.encode())
    assert caught.value.code == 1007


def test_parse_refuses_bytes_that_are_not_utf8():
    with pytest.raises(BadFrame):
        parse_frame(b'{"type":"ping\xff"}')


@pytest.mark.parametrize(
    ("frame", "written"),
    [
        (Connected("c", None), '{"type":"system","event":"connected","userId":null,"connectionId":"c"}'),
        (
            Connected("c", "ünal", "t"),
            '{"type":"system","event":"connected","userId":"ünal","connectionId":"c","reconnectionToken":"t"}',
        ),
        (Disconnected('a "b"'), '{"type":"system","event":"disconnected","message":"a \\"b\\""}'),
        (
            Message(Payload("json", b'{"a" : 1.0}'), "g", "u"),
            '{"type":"message","from":"group","group":"g","fromUserId":"u","dataType":"json","data":{"a":1.0}}',
        ),
        (
            Message(text("x"), "g"),
            '{"type":"message","from":"group","group":"g","fromUserId":null,"dataType":"text","data":"x"}',
        ),
        (
            Message(Payload("binary", b"\x00\x01"), sequence_id=9),
            '{"type":"message","from":"server","dataType":"binary","data":"AAE=","sequenceId":9}',
        ),
        (
            Message(Payload("protobuf", b"\x00\x01"), metadata={"k": "v"}, sequence_id=1),
            '{"type":"message","from":"server","dataType":"protobuf","data":"AAE=","metadata":{"k":"v"},"sequenceId":1}',
        ),
        (Ack(TOP), f'{{"type":"ack","ackId":{TOP},"success":true}}'),
        (
            Ack(1, "Forbidden", "no"),
            '{"type":"ack","ackId":1,"success":false,"error":{"name":"Forbidden","message":"no"}}',
        ),
        (Pong(), '{"type":"pong"}'),
        (
            InvokeResponse("1", "BadRequest", "no"),
            '{"type":"invokeResponse","invocationId":"1","success":false,"error":{"name":"BadRequest","message":"no"}}',
        ),
        (
            InvokeResponse("1", payload=Payload("json", b"[1]")),
            '{"type":"invokeResponse","invocationId":"1","success":true,"dataType":"json","data":[1]}',
        ),
        (InvokeResponse("1"), '{"type":"invokeResponse","invocationId":"1","success":true}'),
        (StreamAck("s", 2), '{"type":"streamAck","streamId":"s","expectedSequenceId":2}'),
        (
            StreamNack("s", 2, "InvalidSequenceId", "no"),
            '{"type":"streamNack","streamId":"s","expectedSequenceId":2,"name":"InvalidSequenceId","message":"no"}',
        ),
        (StreamClosed("s"), '{"type":"streamClosed","streamId":"s"}'),
        (
            Message(text("x"), "g", "ann", preview=StreamPart("s", 1), sequence_id=7),
            (
                '{"type":"message","from":"group","group":"g","fromUserId":"ann","dataType":"text","data":"x",'
                '"stream":{"streamId":"s","streamSequenceId":1},"sequenceId":7}'
            ),
        ),
        (
            Message(text(""), "g", None, preview=StreamPart("s", 2, True, ("UserError", "m", "c"))),
            (
                '{"type":"message","from":"group","group":"g","fromUserId":null,"dataType":"text","data":"",'
                '"stream":{"streamId":"s","streamSequenceId":2,"endOfStream":true,'
                '"error":{"name":"UserError","message":"m","userErrorCode":"c"}}}'
            ),
        ),
        (
            Message(Payload("json", b'[{"connectionId":"a"}]'), "g", preview="groupStateUpdate", sequence_id=1),
            '{"type":"groupStateUpdate","group":"g","items":[{"connectionId":"a"}],"sequenceId":1}',
        ),
        (
            StreamClosed("s", "BadRequest", "no"),
            '{"type":"streamClosed","streamId":"s","error":{"name":"BadRequest","message":"no"}}',
        ),
    ],
)
def test_format_writes_the_fields_in_the_service_order(frame, written):  # 3.2, 3.3
    assert format_frame(frame).decode() == written


def test_all_but_the_number_of_a_message_is_written_once():
    parts = message_parts(Message(text("x")))
    shared = b'{"type":"message","from":"server","dataType":"text","data":"x"'
    assert [parts(number) for number in (1, 2, None)] == [
        (shared, b',"sequenceId":1}'),
        (shared, b',"sequenceId":2}'),
        (shared, b"}"),
    ]
    assert parts(1)[0] is parts(2)[0]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


PREVIEWS = [
    "invoke",
    "cancelInvocation",
    "sendToGroup",
    "streamData",
    "streamEnd",
    "setGroupState",
    "subscribeGroupState",
    "unsubscribeGroupState",
]
FIELDS = [
    "group",
    "ackId",
    "noEcho",
    "invocationId",
    "target",
    "event",
    "dataType",
    "data",
    "stream",
    "streamId",
    "streamSequenceId",
    "error",
    "state",
    "idleTimeoutMs",
    "message",
    "userErrorCode",
]
VALUES = st.sampled_from(["g", "event", "text", "json", "binary", "AAE=", 1, 0, 2**64, None, True]) | JSON
OBJECTS = st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=4)


@given(st.sampled_from(PREVIEWS), st.dictionaries(st.sampled_from(FIELDS), VALUES | OBJECTS, max_size=8))
def test_preview_of_any_form_is_a_frame_or_a_bad_frame(kind, fields):
    with contextlib.suppress(BadFrame):
        parse_frame(json.dumps({"type": kind, **fields}).encode())


@given(JSON, st.sampled_from([None, 2, "\t"]), st.booleans())
def test_compact_json_says_the_same(value, indent, ascii_only):
    written = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert compact(written) == json.dumps(value, ensure_ascii=ascii_only, separators=(",", ":"))


@given(st.dictionaries(st.text(), JSON, max_size=4), st.sampled_from([None, 1]))
def test_parse_object_gives_every_member_and_its_text(value, indent):
    members = parse_object(json.dumps(value, indent=indent))
    assert {name: json.loads(member.text) for name, member in members.items()} == value


@given(st.text(alphabet='{}[]",:0 1e\\u', max_size=12))
def test_check_json_agrees_with_the_standard_library(written):
    try:
        json.loads(written)
    except ValueError:
        with pytest.raises(ValueError, match=r"."):
            check_json(written.encode())
    else:
        assert check_json(written.encode()) == written.encode()


@given(st.binary(max_size=60) | st.text(max_size=40).map(lambda each: ('{"type":"' + each).encode()))
def test_parse_of_anything_is_a_frame_or_a_bad_frame(data):
    with contextlib.suppress(BadFrame):
        parse_frame(data)
