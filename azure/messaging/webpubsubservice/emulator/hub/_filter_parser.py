"""Filter text to steps: the grammar (service facts, Filters).

Operator precedence parsing with a stack of its own, into steps in postfix order: no text, however nested, can exhaust
the interpreter's stack. Syntax errors carry the words and positions that the service gives; types are checked in
``_filter`` by running the steps.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple, NoReturn, Protocol

from ._filter_values import (
    CONSTANTS,
    FUNCTIONS,
    OPERATORS,
    Args,
    Mismatch,
    NullText,
    Value,
    boolean,
    is_listed,
    key,
    kind,
)

MAX_FILTER_NESTING = 100


class FilterError(ValueError):
    """The filter is refused; the text is what the service answers with status 400."""


def refusal(shown: str, detail: str) -> FilterError:
    """Return the error for an expression, in the service's form."""
    return FilterError(f"Invalid syntax for '{shown}': {detail} (Parameter 'filter')")


class FilterSubject(Protocol):
    """What a filter may ask of a connection."""

    @property
    def user_id(self) -> str | None:
        """User id, None for an anonymous connection."""

    @property
    def connection_id(self) -> str:
        """Connection id."""
        raise NotImplementedError

    @property
    def groups(self) -> Collection[str]:
        """Groups the connection is in."""
        raise NotImplementedError

    @property
    def protocol(self) -> str | None:
        """Subprotocol, None for a simple client."""


@dataclass(frozen=True)
class Model:
    """Stands in for a connection while types are checked; its strings are empty."""

    user_id: str | None
    protocol: str | None
    connection_id: str = ""
    groups: tuple[str, ...] = ()


# Steps: what one word does, and how the service prints it back in a message.


class Shown(NamedTuple):
    text: str
    compound: bool = False

    def wrapped(self) -> str:
        return f"({self.text})" if self.compound else self.text


@dataclass(frozen=True)
class Step:
    """Takes ``arity`` values off the stack and puts one on."""

    arity: int
    run: Callable[[FilterSubject, Args], Value]
    show: Callable[[Sequence[Shown]], Shown]
    reports: bool = True  # whether a message about an unsupported operand quotes this expression
    constant: tuple[str, Value] | None = None  # what a literal stands for, as a key


class Fault(NamedTuple):
    """A call that cannot be: where it ends in the program, and whether the name or the count is wrong."""

    end: int
    unsupported: bool

    def detail(self, shown: str) -> str:
        return f"Token '{shown}' is not supported." if self.unsupported else f"Invalid token '{shown}'."


_IDENTIFIERS: dict[str, Callable[[FilterSubject], Value]] = {
    "userid": lambda subject: NullText.NULL_TEXT if subject.user_id is None else subject.user_id,
    "connectionid": lambda subject: subject.connection_id,
    "groups": lambda subject: subject.groups,
    "protocol": lambda subject: NullText.NULL_TEXT if subject.protocol is None else subject.protocol,
}


def _literal(value: Value) -> Step:
    text = "null" if value is None else f"'{value}'" if isinstance(value, str) else str(value)
    return Step(0, lambda _subject, _args: value, lambda _args: Shown(text), constant=key(value))


def _identifier(name: str) -> Step:
    read = _IDENTIFIERS.get(name.lower())
    if read is None:
        return _unsupported(name)
    return Step(0, lambda subject, _args: read(subject), lambda _args: Shown(name))


def _unsupported(text: str) -> Step:
    def run(_subject: FilterSubject, _args: Args) -> NoReturn:
        raise Mismatch(f"Token '{text}' is not supported.", own=False)

    return Step(0, run, lambda _args: Shown(text))


def _operator(name: str) -> Step:
    if name == "not":
        return Step(
            1,
            lambda _subject, args: not boolean(args[0]),
            lambda args: Shown(f"not {args[0].wrapped()}", compound=True),
            reports=False,
        )
    apply = OPERATORS[name][1]

    def show(args: Sequence[Shown]) -> Shown:
        left, right = (arg.text if name == "in" else arg.wrapped() for arg in args)
        return Shown(f"{left} {name} {right}", compound=True)

    return Step(2, lambda _subject, args: apply(args), show)


def _listing(count: int, raw: str) -> Step:
    return Step(
        1 + count,
        lambda _subject, args: is_listed(args),
        lambda args: Shown(f"{args[0].text} in {raw}", compound=True),
    )


def _constant_listing(constants: Sequence[tuple[str, Value] | None], raw: str) -> Step:
    """Look up in one go, however long the list is: filters name many users."""
    found = frozenset(constants)

    def run(_subject: FilterSubject, args: Args) -> Value:
        return kind(args[0]) != "collection" and key(args[0]) in found

    return Step(1, run, lambda args: Shown(f"{args[0].text} in {raw}", compound=True))


def _call(name: str, count: int) -> Step:
    def run(subject: FilterSubject, args: Args) -> Value:
        value = FUNCTIONS[name][1](args)
        # A model's strings are too short for a substring; what matters there is the type.
        return "" if name == "substring" and isinstance(subject, Model) and isinstance(args[0], str) else value

    return Step(count, run, lambda args: Shown(f"{name}({','.join(arg.text for arg in args)})"))


def advance(stack: list[Value], step: Step, subject: FilterSubject) -> None:
    cut = len(stack) - step.arity
    value = step.run(subject, stack[cut:])
    del stack[cut:]
    stack.append(value)


# Compiling: text to steps.

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>'(?:[^']|'')*')
      | (?P<number>[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
      | (?P<word>[^\W\d][\w$]*)
      | (?P<mark>[(),])
      | (?P<end>\Z)
    )""",
    re.VERBOSE,
)
_INT32 = 1 << 31
_PRECEDENCE = {"not": 4, **{name: precedence for name, (precedence, _) in OPERATORS.items()}}


class _Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


class _Open(NamedTuple):
    """An open parenthesis: of a ``group``, of the ``list`` after "in", or of a ``call``."""

    kind: str
    name: str
    start: int
    position: int


class Compiler:
    """Operator precedence parsing with a stack of its own."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.program: list[Step] = []
        self.faults: dict[int, Fault] = {}
        self._pending: list[str | _Open] = []
        self._counts: list[int] = []
        self._nesting = 0
        self._token = self._read(0)

    def compile(self) -> None:
        """Fill ``program`` and ``faults``."""
        while True:
            if self._operand() and self._after_operand():
                return

    def _operand(self) -> bool:
        """Take one token where an operand must stand; return True when the operand is complete."""
        token = self._token
        if token.kind == "word" and token.text == "not":
            self._nest()
            self._pending.append(self._take().text)
            return False
        if token.kind == "mark" and token.text == "(":
            listed = bool(self._pending) and self._pending[-1] == "in"
            return self._open("list" if listed else "group", "", self._take())
        if token.kind not in ("text", "number", "word"):
            raise self._error(f"Expression expected at position {token.start} in '{self.text}'.")
        self._take()
        if token.kind == "word" and self._token.text == "(":
            return self._open("call", token.text, self._take())
        self.program.append(_atom(token))
        return True

    def _after_operand(self) -> bool:
        """Take what may follow an operand; return True at the end of the text."""
        while True:
            token = self._take() if self._token.kind != "end" else self._token
            if token.kind == "word" and token.text in OPERATORS:
                self._reduce(OPERATORS[token.text][0])
                self._pending.append(token.text)
                return False
            self._reduce(0)
            opened = self._pending[-1] if self._pending else None
            if not isinstance(opened, _Open):
                if token.kind == "end":
                    return True
                raise self._error(f"Syntax error at position {token.end} in '{self.text}'.")
            if token.text == "," and token.kind == "mark" and opened.kind != "group":
                self._counts[-1] += 1
                return False
            if token.text != ")" or token.kind != "mark":
                other = "operator" if opened.kind == "group" else "','"
                raise self._error(f"')' or {other} expected at position {token.start} in '{self.text}'.")
            self._close(opened, token, self._counts[-1])

    def _open(self, kind: str, name: str, token: _Token) -> bool:
        self._nest()
        opened = _Open(kind, name, len(self.program), token.start)
        self._pending.append(opened)
        self._counts.append(1)
        if kind == "group" or self._token.text != ")":
            return False
        self._close(opened, self._take(), 0)
        return True

    def _close(self, opened: _Open, token: _Token, count: int) -> None:
        self._pending.pop()
        self._counts.pop()
        self._nesting -= 1
        if opened.kind == "list":
            self._pending.pop()  # the "in" before it
            raw = self.text[opened.position : token.end]
            constants = [step.constant for step in self.program[opened.start :]]
            if None in constants:
                self.program.append(_listing(count, raw))
            else:
                self.program[opened.start :] = [_constant_listing(constants, raw)]
        elif opened.kind == "call":
            self.program.append(_call(opened.name, count))
            if opened.name not in FUNCTIONS or count not in FUNCTIONS[opened.name][0]:
                # An outer call that starts at the same place closes later, and is the one to report.
                self.faults[opened.start] = Fault(len(self.program) - 1, opened.name not in FUNCTIONS)

    def _reduce(self, precedence: int) -> None:
        while self._pending:
            name = self._pending[-1]
            if isinstance(name, _Open) or _PRECEDENCE[name] < precedence:
                return
            self._pending.pop()
            self._nesting -= name == "not"
            self.program.append(_operator(name))

    def _nest(self) -> None:
        self._nesting += 1
        if self._nesting > MAX_FILTER_NESTING:
            raise self._error("Recursion depth exceeded allowed limit.")

    def _take(self) -> _Token:
        token = self._token
        self._token = self._read(token.end)
        return token

    def _read(self, position: int) -> _Token:
        match = _TOKEN.match(self.text, position)
        if match is not None and match.lastgroup is not None:
            return _Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup), match.end())
        rest = self.text[position:].lstrip()
        at = len(self.text) - len(rest)
        if rest.startswith("'"):
            raise self._error(f"There is an unterminated string literal at position {len(self.text)} in '{self.text}'.")
        raise self._error(f"Syntax error: character '{rest[0]}' is not valid at position {at} in '{self.text}'.")

    def _error(self, message: str) -> FilterError:
        return refusal(self.text, message)


def _atom(token: _Token) -> Step:
    if token.kind == "text":
        return _literal(token.text[1:-1].replace("''", "'"))
    if token.kind == "word":
        return _literal(CONSTANTS[token.text]) if token.text in CONSTANTS else _identifier(token.text)
    digits = token.text.lstrip("+-")
    if not digits.isdecimal() or len(digits) > len(str(_INT32)) or not -_INT32 <= int(token.text) < _INT32:
        return _unsupported(token.text)
    return _literal(int(token.text))
