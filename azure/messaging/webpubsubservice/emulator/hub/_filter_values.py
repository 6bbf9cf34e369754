"""What the words of a filter mean: values, functions and operators (service facts, Filters).

Pure functions over values; parsing is in ``_filter``. A function that cannot take its arguments raises
:class:`Mismatch`, which only ``_filter`` turns into words for the caller.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Sequence

__all__ = [
    "CONSTANTS",
    "FUNCTIONS",
    "OPERATORS",
    "Args",
    "Mismatch",
    "NullText",
    "Value",
    "boolean",
    "is_listed",
    "key",
    "kind",
]


class NullText(enum.Enum):
    """A string that is not there: equal to null, and yet of the type string."""

    NULL_TEXT = 0


Value = None | bool | int | str | NullText | Collection[str]
Args = Sequence[Value]
_Function = Callable[[Args], Value]


class Mismatch(Exception):  # noqa: N818 - a signal between two modules, not an error a caller sees
    """Operands do not fit. No detail stands for "invalid token"; ``own`` tells whose text the message quotes."""

    def __init__(self, detail: str | None, *, own: bool = True) -> None:
        super().__init__(detail)
        self.detail: str | None = detail
        self.own: bool = own


def kind(value: Value) -> str:
    """Return the service's name for the type of a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int"
    return "string" if isinstance(value, str | NullText) else "collection"


def is_null(value: Value) -> bool:
    """Return True for null and for a string that is not there."""
    return value is None or value is NullText.NULL_TEXT


def boolean(value: Value) -> bool:
    """Return the value, which must be a boolean."""
    if isinstance(value, bool):
        return value
    raise Mismatch(f"Type '{kind(value)}', expect 'bool'.")


def _integer(value: Value) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise Mismatch(f"Type '{kind(value)}', expect 'int'.")


def _string(value: Value) -> str:
    if isinstance(value, str):
        return value
    if value is NullText.NULL_TEXT:
        return ""
    raise Mismatch(f"Type '{kind(value)}', expect 'string'.")


def _same(left: Value, right: Value) -> bool:
    if is_null(left) or is_null(right):
        return is_null(left) and is_null(right)
    return kind(left) == kind(right) and left == right


def _units(text: str) -> bytes:
    """Return the text in UTF-16 code units, two bytes each: that is what the service counts."""
    return text.encode("utf-16-le", "surrogatepass")


def _length(args: Args) -> Value:
    (value,) = args
    if is_null(value):
        return None
    if isinstance(value, str):
        return len(_units(value)) // 2
    if isinstance(value, Collection):
        return len(value)
    raise Mismatch(None)


def _mapped(change: Callable[[str], str]) -> _Function:
    return lambda args: None if is_null(args[0]) else change(_string(args[0]))


def _each(change: Callable[[str], str]) -> Callable[[str], str]:
    """Change the case one character at a time, keeping the length, as .NET's invariant culture does."""
    return lambda text: "".join(new if len(new := change(char)) == 1 else char for char in text)


def _tested(predicate: Callable[[str, str], bool]) -> _Function:
    def run(args: Args) -> Value:
        if any(map(is_null, args)):
            return False
        return predicate(_string(args[0]), _string(args[1]))

    return run


def _indexof(args: Args) -> Value:
    if any(map(is_null, args)):
        return -1
    text, part = _string(args[0]), _string(args[1])
    at = text.find(part)
    return at if at < 0 else len(_units(text[:at])) // 2


def _concat(args: Args) -> Value:
    left, right = args
    if is_null(left) and is_null(right):
        return None
    if is_null(left) and isinstance(right, str):
        return right
    if is_null(right) and isinstance(left, str):
        return left
    return _string(left) + _string(right)


def _substring(args: Args) -> Value:
    numbers = [_integer(value) for value in args[1:]]
    if is_null(args[0]):
        return None
    text = _units(_string(args[0]))
    start = numbers[0]
    count = numbers[1] if len(numbers) > 1 else len(text) // 2 - start
    if start < 0 or count < 0 or start + count > len(text) // 2:
        return None
    return text[start * 2 : (start + count) * 2].decode("utf-16-le", "surrogatepass")


def _compared(accept: Callable[[int, int], bool]) -> _Function:
    def run(args: Args) -> Value:
        if args[0] is None or args[1] is None:
            return False
        return accept(_integer(args[0]), _integer(args[1]))

    return run


def _is_member(args: Args) -> bool:
    value, collection = args
    if kind(collection) == "collection" and isinstance(collection, Collection):
        return isinstance(value, str) and value in collection
    raise Mismatch(f"Invalid token '{_string(collection)}'.")


def key(value: Value) -> tuple[str, Value]:
    """Return what is equal for two constants exactly when "eq" says that they are."""
    return ("null", None) if is_null(value) else (kind(value), value)


def is_listed(args: Args) -> bool:
    """Return True if the first value is one of the others, or in the one collection that follows it."""
    value, *items = args
    if len(items) == 1 and kind(items[0]) == "collection":
        return _is_member(args)
    return any(_same(value, item) for item in items)


CONSTANTS: dict[str, Value] = {"true": True, "false": False, "null": None}

FUNCTIONS: dict[str, tuple[frozenset[int], _Function]] = {
    "length": (frozenset({1}), _length),
    "tolower": (frozenset({1}), _mapped(_each(str.lower))),
    "toupper": (frozenset({1}), _mapped(_each(str.upper))),
    "trim": (frozenset({1}), _mapped(str.strip)),
    "contains": (frozenset({2}), _tested(str.__contains__)),
    "startswith": (frozenset({2}), _tested(str.startswith)),
    "endswith": (frozenset({2}), _tested(str.endswith)),
    "indexof": (frozenset({2}), _indexof),
    "concat": (frozenset({2}), _concat),
    "substring": (frozenset({2, 3}), _substring),
}

# Name: how tightly it binds, and what it does. Both sides are always evaluated, so both are always type checked.
OPERATORS: dict[str, tuple[int, _Function]] = {
    "or": (1, lambda args: boolean(args[0]) | boolean(args[1])),
    "and": (2, lambda args: boolean(args[0]) & boolean(args[1])),
    "eq": (3, lambda args: _same(args[0], args[1])),
    "ne": (3, lambda args: not _same(args[0], args[1])),
    "gt": (3, _compared(int.__gt__)),
    "ge": (3, _compared(int.__ge__)),
    "lt": (3, _compared(int.__lt__)),
    "le": (3, _compared(int.__le__)),
    "in": (3, _is_member),
}
