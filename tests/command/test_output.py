"""What is written: one line, safe on a terminal, with no secret in it."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azure.messaging.webpubsubservice.command import _output
from azure.messaging.webpubsubservice.command._frames import Connected, Disconnected, Message, Session, read

ANY_TEXT = st.text(st.characters(), max_size=30) | st.text("\\\n\r\t\x1b\x9b\u2028\u202e\ud800a", max_size=20)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)


def is_safe(text):
    categories = {unicodedata.category(each) for each in text if each != "\t"}
    return len(text.splitlines()) <= 1 and not categories & {"Cc", "Cs", "Zl", "Zp"}


@given(ANY_TEXT)
def test_text_becomes_one_line(text):
    line = _output.one_line(text)
    assert is_safe(line)
    if is_safe(text) and not set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069") & set(text):
        assert line == text


@given(JSON_VALUES, st.sampled_from([None, 2]), st.booleans())
def test_json_becomes_one_line_that_means_the_same(value, indent, ascii_only):
    line = _output.one_line_of_json(json.dumps(value, indent=indent, ensure_ascii=ascii_only))
    assert is_safe(line)
    assert json.loads(line) == value


@given(JSON_VALUES, st.sampled_from(["text", "json", "binary", "protobuf", None]))
def test_message_of_any_data_is_one_line(data, kind):
    frame = read(json.dumps({"type": "message", "from": "server", "dataType": kind, "data": data, "sequenceId": 7}))
    assert isinstance(frame, Message)
    assert is_safe(frame.line)
    assert is_safe(frame.raw)
    assert frame.sequence_id == 7
    if kind == "json":
        assert json.loads(frame.line) == data


@given(st.text(max_size=40) | st.binary(max_size=20) | JSON_VALUES.map(json.dumps))
def test_frame_is_read_or_refused(frame):
    try:
        found = read(frame)
    except ValueError as error:
        found = str(error)
    assert isinstance(found, Message | Connected | Disconnected | None) or found == "a frame that is no JSON object"


@given(st.lists(st.integers(1, 9)))
def test_session_takes_each_message_once_and_in_order(numbers):
    session = Session()
    session.start("ws://a/client/hubs/chat")
    taken = [number for number in numbers if session.is_news(Message("", "", number))]
    assert taken == sorted(set(taken))
    assert not numbers or max(taken) == max(numbers)


def test_session_is_recovered_under_its_own_url():
    session = Session()
    session.start("ws://a/client/hubs/chat")
    assert session.recovery_url is None
    session.welcome(Connected("c&d", None, None))
    assert session.recovery_url is None
    session.welcome(Connected("c&d", None, "t=/"))
    assert session.recovery_url == ("ws://a/client/hubs/chat?awps_connection_id=c%26d&awps_reconnection_token=t%3D%2F")
    session.start("ws://a/client/hubs/chat")
    assert session.recovery_url is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Endpoint=http://a;AccessKey=s3cret+/=;Version=1.0;", "Endpoint=http://a;AccessKey=REDACTED;Version=1.0;"),
        ("accesskey = s3cret", "accesskey = REDACTED"),
        ("'AccessKey=s3cret'", "'AccessKey=REDACTED'"),
        ("ws://a/?access_token=ey.ey.s&x=1", "ws://a/?access_token=REDACTED&x=1"),
        ("nothing secret", "nothing secret"),
    ],
)
def test_secrets_are_taken_out(text, expected):
    assert _output.redact(text) == expected
