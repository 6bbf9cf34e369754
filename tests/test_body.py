"""Bodies: what each kind of value is sent as, under each content type."""

import io
import json
import math
from datetime import date, datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azure.messaging.webpubsubservice._body import encode_body, encode_message
from azure.messaging.webpubsubservice.rest import build_send_to_all_request

JSON = "application/json"
TEXT = "text/plain"
BINARY = "application/octet-stream"


class Unseekable(io.RawIOBase):
    def __init__(self, data):
        self._rest = data

    def readable(self):
        return True

    def readinto(self, buffer):
        piece, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)


def halfway(stream, position):
    stream.seek(position)
    return stream


MESSAGES = [
    # without a content type: bytes and binary streams as they are, all else as JSON
    (b"\x00\xff", None, b"\x00\xff", BINARY),
    (bytearray(b"ab"), None, b"ab", BINARY),
    (memoryview(b"abcdef")[::2], None, b"ace", BINARY),
    (io.BytesIO(b"ab"), None, b"ab", BINARY),
    (Unseekable(b"ab"), None, b"ab", BINARY),
    (iter([b"a", b"b"]), None, b"ab", BINARY),
    (io.StringIO('{"ü": 1}'), None, '{"ü": 1}'.encode(), JSON),
    ("hi", None, b'"hi"', JSON),
    ("", None, b'""', JSON),
    ({"a": [1, 2.5, True, None]}, None, b'{"a": [1, 2.5, true, null]}', JSON),
    ([1, 2], None, b"[1, 2]", JSON),
    ((1, 2), None, b"[1, 2]", JSON),
    (None, None, b"null", JSON),
    (0, None, b"0", JSON),
    (False, None, b"false", JSON),
    # as JSON
    ("hi", JSON, b'"hi"', JSON),
    (b'{"a":1}', JSON, b'{"a":1}', JSON),
    (io.BytesIO(b"[1]"), JSON, b"[1]", JSON),
    (io.StringIO("[1]"), JSON, b"[1]", JSON),
    ({"a": 1}, "application/json; charset=utf-8", b'{"a": 1}', "application/json; charset=utf-8"),
    # as text
    ("hü €", TEXT, "hü €".encode(), TEXT),
    ("hü", "text/plain; charset=utf-8", "hü".encode(), "text/plain; charset=utf-8"),
    ("hü", "Text/Plain", "hü".encode(), "Text/Plain"),
    (b"h\xc3\xbc", TEXT, "hü".encode(), TEXT),
    (io.StringIO("hü"), TEXT, "hü".encode(), TEXT),
    (io.BytesIO(b"x"), TEXT, b"x", TEXT),
    ({"a": 1}, TEXT, b'{"a": 1}', TEXT),
    (7, TEXT, b"7", TEXT),
    (None, TEXT, b"null", TEXT),
    # as binary
    ("hü", BINARY, "hü".encode(), BINARY),
    (io.StringIO("hü"), BINARY, "hü".encode(), BINARY),
    (b"ab", BINARY, b"ab", BINARY),
    (iter([b"a", "ü"]), BINARY, "aü".encode(), BINARY),
    (b"", BINARY, b"", BINARY),
]


@pytest.mark.parametrize(("message", "content_type", "body", "sent_as"), MESSAGES)
def test_message_is_sent_as_its_kind_and_content_type_say(message, content_type, body, sent_as):
    assert encode_message(message, content_type) == (body, sent_as)


CONTENTS = [
    ("hü", None, "hü".encode(), TEXT),
    ("", None, b"", TEXT),
    (io.StringIO("hü"), None, "hü".encode(), TEXT),
    (b"ab", None, b"ab", BINARY),
    (bytearray(b"ab"), None, b"ab", BINARY),
    (io.BytesIO(b"ab"), None, b"ab", BINARY),
    ((piece for piece in (b"a", b"b")), None, b"ab", BINARY),
    ([b"a", b"b"], None, b"ab", BINARY),
    (io.StringIO("[1]"), JSON, b"[1]", JSON),
    ("<a/>", "application/xml", b"<a/>", "application/xml"),
    (b"\x01", "application/x-protobuf", b"\x01", "application/x-protobuf"),
]


@pytest.mark.parametrize(("content", "content_type", "body", "sent_as"), CONTENTS)
def test_content_is_sent_as_it_is_under_any_content_type(content, content_type, body, sent_as):
    request = build_send_to_all_request("hub", content=content, content_type=content_type)
    given = request.content or b""  # azure-core has no empty body
    assert (given.encode() if isinstance(given, str) else given) == body
    assert isinstance(given, str) == (isinstance(content, str) and content != "")
    assert request.headers["Content-Type"] == sent_as
    assert request.headers["Content-Length"] == str(len(body))
    assert "Transfer-Encoding" not in request.headers


@pytest.mark.parametrize("value", [None, 0, "", [], {}, "text"])
def test_json_takes_every_value_of_json(value):
    request = build_send_to_all_request("hub", json=value)
    assert json.loads(request.content) == value
    assert request.headers["Content-Type"] == JSON


def test_json_with_a_content_type_keeps_it():
    request = build_send_to_all_request("hub", json={"a": 1}, content_type="application/json; charset=utf-8")
    assert request.headers["Content-Type"] == "application/json; charset=utf-8"


def test_content_type_among_the_headers_counts_where_no_other_is_given():
    request = build_send_to_all_request("hub", content="x", headers={"content-type": "text/csv"})
    assert request.headers["Content-Type"] == "text/csv"
    request = build_send_to_all_request("hub", content="x", content_type=TEXT, headers={"content-type": "text/csv"})
    assert request.headers["Content-Type"] == TEXT
    assert [name.lower() for name in request.headers].count("content-type") == 1


def test_dates_and_nested_bytes_are_written_as_azure_does():
    value = {
        "date": date(2024, 2, 29),
        "time": datetime(2024, 2, 29, 1, 2, 3, tzinfo=timezone.utc),
        "bytes": b"\xff",
    }
    assert json.loads(encode_message(value, None)[0]) == {
        "date": "2024-02-29",
        "time": "2024-02-29T01:02:03Z",
        "bytes": "/w==",
    }


def test_stream_is_read_from_where_it_stands():
    assert encode_message(halfway(io.BytesIO(b"abcd"), 2), None) == (b"cd", BINARY)


@pytest.mark.parametrize("value", [math.nan, math.inf, {"a": [-math.inf]}])
def test_number_that_json_lacks_is_refused(value):
    with pytest.raises(ValueError, match="message cannot be written as JSON"):
        encode_message(value, None)


def test_value_that_contains_itself_is_refused():
    value = []
    value.append(value)
    with pytest.raises(ValueError, match="message cannot be written as JSON"):
        encode_message(value, None)


def test_value_nested_too_deep_is_refused():
    value = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(ValueError, match="message cannot be written as JSON: it is nested too deep"):
        encode_message(value, None)


@pytest.mark.parametrize("value", [object(), {"a": {1, 2}}, {(1, 2): 3}, print])
def test_value_without_a_json_form_is_refused_with_the_types_allowed(value):
    with pytest.raises(TypeError, match=r"message cannot be written as JSON.*dict, list, str"):
        encode_message(value, None)
    with pytest.raises(TypeError, match=r"json cannot be written as JSON.*dict, list, str"):
        encode_body(value, None, None)


@pytest.mark.parametrize("message", [{"a": 1}, [b"a"], 7, None])
def test_value_that_is_no_binary_is_refused_as_binary(message):
    with pytest.raises(TypeError, match="cannot be sent as 'application/octet-stream': give str, bytes"):
        encode_message(message, BINARY)


@pytest.mark.parametrize("content_type", ["text/html", "application/xml", "json", "application/x-protobuf"])
def test_operation_names_the_three_content_types(content_type):
    with pytest.raises(ValueError, match=r"application/json.*text/plain.*application/octet-stream"):
        encode_message("x", content_type)


@pytest.mark.parametrize("content", [5, {"a": b"b"}, object()])
def test_content_of_no_such_type_is_refused(content):
    with pytest.raises(TypeError, match=r"content must be str, bytes.*give other values as 'json'"):
        encode_body(json=None, content=content, content_type=None)


def test_iterator_of_other_things_is_refused():
    with pytest.raises(TypeError, match=r"content must be str, bytes.*int"):
        build_send_to_all_request("hub", content=[1, 2])


def test_text_that_utf8_cannot_carry_is_refused():
    with pytest.raises(ValueError, match="message is not text that UTF-8 can carry"):
        encode_message("\ud800", TEXT)


def test_both_bodies_or_neither_are_refused():
    with pytest.raises(ValueError, match="either 'json' or 'content'"):
        build_send_to_all_request("hub", json=1, content=b"x")
    with pytest.raises(ValueError, match="give a body: 'json'"):
        build_send_to_all_request("hub")


def test_asynchronous_stream_is_refused_with_the_remedy():
    class Stream:
        async def read(self):
            return b"x"

    with pytest.raises(TypeError, match=r"await stream\.read\(\)"):
        encode_message(Stream(), None)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(json_values)
def test_any_json_value_comes_out_as_it_went_in(value):
    body, content_type = encode_message(value, None)
    assert json.loads(body) == value
    assert content_type == JSON


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_any_text_is_its_utf8_under_text_and_is_measured_in_bytes(text):
    request = build_send_to_all_request("hub", content=text)
    assert (request.content or "") == text
    assert int(request.headers["Content-Length"]) == len(text.encode())


@given(st.lists(st.binary()))
def test_any_pieces_are_sent_as_one_body(pieces):
    assert encode_message(iter(pieces), None) == (b"".join(pieces), BINARY)
