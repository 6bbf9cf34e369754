"""Filters (service facts, Filters)."""

import sys
import time
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azure.messaging.webpubsubservice.emulator.hub._filter import MAX_FILTER_LENGTH, FilterError, parse_filter


@dataclass(frozen=True)
class Subject:
    user_id: str | None = None
    connection_id: str = "c1"
    groups: frozenset = frozenset()
    protocol: str | None = None


ANN = Subject("ann", "c1", frozenset({"a", "b"}), "json.webpubsub.azure.v1")
ANONYMOUS = Subject()


def chooses(text, subject):
    return parse_filter(text).matches(subject)


@pytest.mark.parametrize(
    ("text", "ann", "anonymous"),
    [
        ("", True, True),
        ("true", True, True),
        ("false", False, False),
        ("userId eq 'ann'", True, False),
        ("USERID eq 'ann'", True, False),
        ("userId eq 'Ann'", False, False),
        ("userId ne 'ann'", False, True),
        ("userId eq null", False, True),
        ("userId ne null", True, False),
        ("null eq null", True, True),
        ("1 eq '1'", False, False),
        ("1 eq true", False, False),
        ("connectionId eq 'c1'", True, True),
        ("protocol eq 'json.webpubsub.azure.v1'", True, False),
        ("protocol eq null", False, True),
        ("'a' in groups", True, False),
        ("not ('a' in groups)", False, True),
        ("'A' in groups", False, False),
        ("'a' in (groups)", True, False),
        ("userId in groups", False, False),
        ("userId in ('bob','ann')", True, False),
        ("userId in ('Doe, John', 'O''Brien')", False, False),
        ("userId in (null, 'ann')", True, True),
        ("userId in ()", False, False),
        ("length(groups) gt 1", True, False),
        ("length(userId) eq 3", True, False),
        ("length(userId) le 10 and length(userId) gt 2", True, False),
        ("length(userId) gt 0 or userId eq null", True, True),
        ("length(userId) lt -1", False, False),
        ("length(userId) ge +3", True, False),
        ("tolower(toupper(userId)) eq 'ann'", True, False),
        ("toupper(userId) eq 'ANN'", True, False),
        ("trim(concat('  ', userId)) eq 'ann'", True, False),
        ("substring(userId, 1) eq 'nn'", True, False),
        ("substring(userId,1,1) eq 'n'", True, False),
        ("substring(userId, 9) eq null", True, True),
        ("substring(userId, -1) eq null", True, True),
        ("substring(userId, 1, 3) eq null", True, True),
        ("startswith(userId, 'an')", True, False),
        ("endswith(userId,'nn') and connectionId ne 'c2'", True, False),
        ("contains(userId, 'x')", False, False),
        ("contains(userId, null)", False, False),
        ("not contains(userId, 'x')", True, True),
        ("indexof(userId, 'n') eq 1", True, False),
        ("indexof(userId, 'x') eq -1", True, True),
        ("concat(userId, '!') eq 'ann!'", True, False),
        ("concat(null, 'x') eq 'x'", True, True),
        ("concat(userId, null) eq userId", True, True),
        ("null gt 1", False, False),
        ("1 eq 1 eq true", True, True),
        ("false and false or true", True, True),
        ("true or true and false", True, True),
        ("(true or true) and false", False, False),
        ("true and not false", True, True),
        ("not not true", True, True),
        ("\ttrue\n", True, True),
    ],
)
def test_filter_chooses_what_the_expression_says(text, ann, anonymous):
    assert (chooses(text, ANN), chooses(text, ANONYMOUS)) == (ann, anonymous)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("invalid filter", "Invalid syntax for 'invalid filter': Syntax error at position 14 in 'invalid filter'."),
        ("not length(userId) gt 5", "Invalid syntax for 'not length(userId)': Type 'null', expect 'bool'."),
        ("( not 'a' )", "Invalid syntax for 'not 'a'': Type 'string', expect 'bool'."),
        ("userId lt 1", "Invalid syntax for 'userId lt 1': Type 'string', expect 'int'."),
        ("invalid(ab,c)", "Invalid syntax for 'invalid(ab,c)': Token 'invalid(ab,c)' is not supported."),
        ("ab eq 1", "Invalid syntax for 'ab eq 1': Token 'ab' is not supported."),
        ("true and not (ab)", "Invalid syntax for 'True and (not ab)': Token 'ab' is not supported."),
        ("not ab", "Invalid syntax for 'not ab': Token 'ab' is not supported."),
        ("(ab eq 1) and bad(x)", "Invalid syntax for 'ab eq 1': Token 'ab' is not supported."),
        ("bad(worse(x))", "Invalid syntax for 'bad(worse(x))': Token 'bad(worse(x))' is not supported."),
        ("Length(userId) gt 1", "Invalid syntax for 'Length(userId)': Token 'Length(userId)' is not supported."),
        ("length(1) gt 1", "Invalid syntax for 'length(1)': Invalid token 'length(1)'."),
        ("length(userId,1)", "Invalid syntax for 'length(userId,1)': Invalid token 'length(userId,1)'."),
        ("contains()", "Invalid syntax for 'contains()': Invalid token 'contains()'."),
        ("contains(1, 'a')", "Invalid syntax for 'contains(1,'a')': Type 'int', expect 'string'."),
        ("substring('a', null) eq 'a'", "Invalid syntax for 'substring('a',null)': Type 'null', expect 'int'."),
        ("userId in 'abc'", "Invalid syntax for 'userId in 'abc'': Invalid token 'abc'."),
        ("userId in 1", "Invalid syntax for 'userId in 1': Type 'int', expect 'string'."),
        ("userId", "Invalid syntax for 'userId': Type 'string', expect 'bool'."),
        ("1", "Invalid syntax for '1': Type 'int', expect 'bool'."),
        ("groups", "Invalid syntax for 'groups': Type 'collection', expect 'bool'."),
        ("true or 5", "Invalid syntax for 'True or 5': Type 'int', expect 'bool'."),
        ("'a' in (1, 2) and 5", "Invalid syntax for '('a' in (1, 2)) and 5': Type 'int', expect 'bool'."),
        ("1 eq 2147483648", "Invalid syntax for '1 eq 2147483648': Token '2147483648' is not supported."),
        ("1.5 eq 1", "Invalid syntax for '1.5 eq 1': Token '1.5' is not supported."),
        (" ", "Invalid syntax for ' ': Expression expected at position 1 in ' '."),
        ("userId eq", "Invalid syntax for 'userId eq': Expression expected at position 9 in 'userId eq'."),
        ("(true", "Invalid syntax for '(true': ')' or operator expected at position 5 in '(true'."),
        ("true)", "Invalid syntax for 'true)': Syntax error at position 5 in 'true)'."),
        ("'a' in ('b'", "Invalid syntax for ''a' in ('b'': ')' or ',' expected at position 11 in ''a' in ('b''."),
        ("true, true", "Invalid syntax for 'true, true': Syntax error at position 5 in 'true, true'."),
        (
            "x eq 'abc",
            "Invalid syntax for 'x eq 'abc': There is an unterminated string literal at position 9 in 'x eq 'abc'.",
        ),
        ("a % b", "Invalid syntax for 'a % b': Syntax error: character '%' is not valid at position 2 in 'a % b'."),
    ],
)
def test_bad_filter_is_refused_in_the_service_s_words(text, message):
    with pytest.raises(FilterError) as error:
        parse_filter(text)
    assert str(error.value) == f"{message} (Parameter 'filter')"


def test_type_that_only_fails_for_connections_with_a_user_is_refused_up_front():
    with pytest.raises(FilterError, match=r"'tolower\(userId\) gt 5': Type 'string', expect 'int'"):
        parse_filter("tolower(userId) gt 5")


def test_int32_limits_are_integers():
    assert chooses("-2147483648 lt 2147483647", ANN)


def test_lengths_and_positions_count_utf16_units():
    subject = Subject(user_id="\N{GRINNING FACE}x")
    assert chooses("length(userId) eq 3", subject)
    assert chooses("indexof(userId, 'x') eq 2", subject)
    assert chooses("substring(userId, 2) eq 'x'", subject)
    assert chooses("length(substring(userId, 1)) eq 2", subject)


def test_case_functions_keep_the_length():
    assert chooses("toupper(userId) eq 'STRAßE'", Subject(user_id="straße"))


@pytest.mark.parametrize("wrap", [("(", ")"), ("not ", ""), ("trim(", ")"), ("1 in (", ")")])
def test_nesting_is_limited_to_100(wrap):
    core = "'a'" if wrap[0] == "trim(" else "true"
    tail = " eq 'a'" if wrap[0] == "trim(" else ""
    parse_filter(wrap[0] * 100 + core + wrap[1] * 100 + tail)
    with pytest.raises(FilterError, match="Recursion depth exceeded allowed limit"):
        parse_filter(wrap[0] * 101 + core + wrap[1] * 101 + tail)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 65536,
        "not " * 16384,
        "true" + " eq true" * 8000,
        "true" + " and true" * 7000,
        "1 in (" * 10000,
        "userId in (" + ",".join(["'u'"] * 16000) + ")",
        "'" * 65535,
        "f(" * 30000,
        "true" + " and true" * 7000 + " and 5",
    ],
)
def test_long_hostile_texts_end_quickly(text):
    began = time.process_time()
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(400)
    try:
        parse_filter(text).matches(ANN)
    except FilterError:
        pass
    finally:
        sys.setrecursionlimit(limit)
    assert time.process_time() - began < 5


def test_length_is_limited():
    text = "userId eq '" + "x" * (MAX_FILTER_LENGTH - 12) + "'"
    assert len(text) == MAX_FILTER_LENGTH
    parse_filter(text)
    with pytest.raises(FilterError, match="longer than 65536 characters"):
        parse_filter(text + " ")


# A naive evaluator over random well-typed expressions: (text, value for a subject).

STRINGS = st.recursive(
    st.one_of(
        st.text("ab'é", max_size=3).map(lambda v: ("'" + v.replace("'", "''") + "'", lambda s: v)),
        st.just(("userId", lambda s: s.user_id)),
        st.just(("connectionId", lambda s: s.connection_id)),
    ),
    lambda inner: st.one_of(
        inner.map(lambda a: (f"tolower({a[0]})", lambda s: None if a[1](s) is None else a[1](s).lower())),
        inner.map(lambda a: (f"trim( {a[0]} )", lambda s: None if a[1](s) is None else a[1](s).strip())),
        st.tuples(inner, st.integers(-1, 3)).map(
            lambda p: (
                f"substring({p[0][0]},{p[1]})",
                lambda s: None if p[0][1](s) is None or not 0 <= p[1] <= len(p[0][1](s)) else p[0][1](s)[p[1] :],
            )
        ),
        st.tuples(inner, inner).map(
            lambda p: (
                f"concat({p[0][0]},{p[1][0]})",
                lambda s: (
                    None if p[0][1](s) is None and p[1][1](s) is None else (p[0][1](s) or "") + (p[1][1](s) or "")
                ),
            )
        ),
    ),
    max_leaves=4,
)
NUMBERS = st.one_of(
    st.integers(-5, 5).map(lambda n: (str(n), lambda s: n)),
    st.just(("length(groups)", lambda s: len(s.groups))),
    STRINGS.map(lambda a: (f"length({a[0]})", lambda s: None if a[1](s) is None else len(a[1](s)))),
)


def compared(name, left, right):
    tests = {"gt": int.__gt__, "ge": int.__ge__, "lt": int.__lt__, "le": int.__le__}
    return (
        f"{left[0]} {name} {right[0]}",
        lambda s: None not in (left[1](s), right[1](s)) and tests[name](left[1](s), right[1](s)),
    )


BOOLEANS = st.recursive(
    st.one_of(
        st.sampled_from([("true", lambda s: True), ("false", lambda s: False)]),
        st.builds(compared, st.sampled_from(["gt", "ge", "lt", "le"]), NUMBERS, NUMBERS),
        st.tuples(STRINGS, STRINGS).map(lambda p: (f"{p[0][0]} eq {p[1][0]}", lambda s: p[0][1](s) == p[1][1](s))),
        st.tuples(STRINGS, STRINGS).map(lambda p: (f"{p[0][0]} ne {p[1][0]}", lambda s: p[0][1](s) != p[1][1](s))),
        STRINGS.map(lambda a: (f"{a[0]} in groups", lambda s: a[1](s) in s.groups)),
        st.tuples(STRINGS, st.lists(STRINGS, min_size=1, max_size=3)).map(
            lambda p: (
                f"{p[0][0]} in ({', '.join(i[0] for i in p[1])})",
                lambda s: p[0][1](s) in [i[1](s) for i in p[1]],
            )
        ),
        st.tuples(STRINGS, STRINGS).map(
            lambda p: (
                f"contains({p[0][0]},{p[1][0]})",
                lambda s: None not in (p[0][1](s), p[1][1](s)) and p[1][1](s) in p[0][1](s),
            )
        ),
    ),
    lambda inner: st.one_of(
        inner.map(lambda a: (f"not ({a[0]})", lambda s: not a[1](s))),
        st.tuples(inner, inner).map(lambda p: (f"({p[0][0]}) and ({p[1][0]})", lambda s: p[0][1](s) and p[1][1](s))),
        st.tuples(inner, inner).map(lambda p: (f"({p[0][0]}) or ({p[1][0]})", lambda s: p[0][1](s) or p[1][1](s))),
    ),
    max_leaves=6,
)
SUBJECTS = st.builds(
    Subject,
    user_id=st.none() | st.text("ab'é", max_size=3),
    connection_id=st.sampled_from(["a", "ab"]),
    groups=st.frozensets(st.sampled_from(["a", "b", ""])),
)


@settings(max_examples=60, deadline=None)
@given(BOOLEANS, SUBJECTS)
def test_valid_expressions_agree_with_a_naive_evaluator(expression, subject):
    text, value = expression
    assert chooses(text, subject) is bool(value(subject))


WORDS = [
    "userId",
    "groups",
    "'a'",
    "1",
    "null",
    "(",
    ")",
    ",",
    "and",
    "or",
    "not",
    "eq",
    "in",
    "length",
    "x",
    "'",
    "-",
    "gt",
]


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=30) | st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join))
def test_random_text_is_matched_or_refused_never_anything_else(text):
    try:
        assert isinstance(parse_filter(text).matches(ANN), bool)
    except FilterError:
        return
