"""Filter text: each value is one literal, whatever it holds."""

import re
from collections import namedtuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azure.messaging.webpubsubservice.filters import odata

Subject = namedtuple("Subject", "user_id connection_id groups protocol")


@pytest.mark.parametrize(
    ("template", "values", "text"),
    [
        (
            "userId ne {user} and {room} in groups",
            {"user": "ada", "room": "a'b"},
            "userId ne 'ada' and 'a''b' in groups",
        ),
        ("{a}{b}", {"a": True, "b": False}, "truefalse"),
        ("length(userId) gt {n}", {"n": -3}, "length(userId) gt -3"),
        ("userId eq {u}", {"u": None}, "userId eq null"),
        ("userId eq {u} or userId eq {u}", {"u": "x"}, "userId eq 'x' or userId eq 'x'"),
        ("{{{u}}}", {"u": ""}, "{''}"),
        ("userId eq {u}", {"u": "{u} ' or true"}, "userId eq '{u} '' or true'"),
        ("true", {}, "true"),
        ("", {}, ""),
    ],
)
def test_value_is_quoted_by_its_type(template, values, text):
    assert odata(template, **values) == text


def test_template_may_have_a_placeholder_named_template():
    assert odata("userId eq {template}", template="x") == "userId eq 'x'"


@pytest.mark.parametrize("value", [1.5, b"x", ["x"], {"a": 1}, object()])
def test_value_of_another_type_is_refused(value):
    with pytest.raises(TypeError, match=f"user must be a str, an int, a bool or None, not {type(value).__name__}"):
        odata("userId eq {user}", user=value)


def test_missing_and_unused_values_are_refused():
    with pytest.raises(ValueError, match=r"needs a value for '\{user\}'"):
        odata("userId eq {user}")
    with pytest.raises(ValueError, match="no placeholder for more, other"):
        odata("userId eq {user}", user="x", other="y", more="z")


@pytest.mark.parametrize("template", ["{}", "{0}", "{u.real}", "{u[0]}", "{u!r}", "{u:>9}", "{ u }"])
def test_placeholder_is_a_plain_name(template):
    with pytest.raises(ValueError, match="a placeholder is a plain name"):
        odata(template, u="x")


@pytest.mark.parametrize("template", ["{", "}", "{u", "userId eq 'a}b'"])
def test_lone_brace_is_refused_with_the_remedy(template):
    with pytest.raises(ValueError, match=r"write '\{\{' and '\}\}'"):
        odata(template, u="x")


@given(st.text())
def test_any_text_is_one_literal_that_reads_back(text):
    result = odata("userId eq {u}", u=text)
    literal = result.removeprefix("userId eq ")
    assert re.fullmatch(r"'(?:[^']|'')*'", literal, re.DOTALL)
    assert literal[1:-1].replace("''", "'") == text


@given(st.integers() | st.booleans() | st.none())
def test_any_plain_value_reads_back(value):
    literal = odata("{v}", v=value)
    assert {"null": None, "true": True, "false": False}.get(literal, literal) == (
        value if value is None or isinstance(value, bool) else str(value)
    )


@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_service_reads_the_same_value(text, other):
    from azure.messaging.webpubsubservice.emulator.hub._filter import parse_filter

    subject = Subject(user_id=text, connection_id="c", groups=(), protocol="")
    assert parse_filter(odata("userId eq {u}", u=text)).matches(subject)
    assert parse_filter(odata("userId eq {u}", u=other)).matches(subject) == (text == other)
