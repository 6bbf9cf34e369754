"""Names: what the service allows in a URL's path, how each is written there, and lists of them.

A plain name is recognised by its characters; any other is given to msrest's Serializer, whose rules are the service's
own. That order keeps msrest, which costs 100 ms to import, out of every program that uses plain names.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

T = TypeVar("T")
# The service's description writes ``$``, which would let a name through that ends in a line break.
_RULES: dict[str, dict[str, object]] = {
    "hub": {"pattern": r"^[A-Za-z][A-Za-z0-9_`,.[\]]{0,127}\Z"},
    "group": {"min_length": 1, "max_length": 1024, "pattern": r"^(?!\s+\Z).+\Z"},
}

_ALLOWED = {
    "hub": "a letter, then at most 127 letters, digits or any of _`,.[]",
    "group": "a text of 1 to 1024 characters, in one line, and not of spaces alone",
}

_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")

_BY_FILTER = {
    "group": "to reach its connections send with filter=odata('{group} in groups', group=...)",
    "connection_id": "to reach it send to the hub with filter=odata('connectionId eq {id}', id=...)",
    "user_id": "to reach it send to the hub with filter=odata('userId eq {user}', user=...)",
}


def segment(kind: str, value: str) -> str:
    """Return ``value`` checked and percent-encoded for a URL's path."""
    value = text(getattr(value, "value", value))
    plain = type(value) is str and is_plain(value) and len(value) <= (128 if kind == "hub" else 1024)
    if plain and (kind != "hub" or (value[0].isalpha() and "-" not in value and "~" not in value)):
        return value
    if value is not None and type(value) not in (str, int):
        raise TypeError(f"{kind} must be a str, not {type(value).__name__}")
    from msrest.exceptions import ValidationError
    from msrest.serialization import Serializer

    from ._pickling import let_be_pickled

    let_be_pickled(ValidationError)
    make: Any = Serializer  # msrest has no types
    try:
        quoted: str = make().url(kind, value, "str", **_RULES.get(kind, {"min_length": 1}))
    except ValidationError as error:
        # msrest's own words are "must have length greater than 1".
        error.args = (f"Parameter {kind!r} must be {_ALLOWED.get(kind, 'a text of at least one character')}",)
        raise
    except UnicodeEncodeError as error:
        raise ValueError(f"{kind} {value!r} is not text that UTF-8 can carry: {error.reason}") from None
    if "%2F" in quoted or quoted in {".", ".."}:
        # The service leaves %2F encoded, so it would look for another name; dots are resolved away on the road.
        raise ValueError(
            f"{kind} {value!r} cannot be addressed: a path of the service cannot carry '/', nor be '.' or '..'"
            f"; {_BY_FILTER.get(kind, 'use another name')} (see azure.messaging.webpubsubservice.filters)"
        )
    return quoted


def is_plain(value: str) -> bool:
    """Say whether a text stands in a URL's path or query as it is."""
    return value[:1] not in ("", ".") and _UNRESERVED.issuperset(value)


def text(value: Any) -> Any:
    """Return a ``str`` as plain text, a member of an enumeration as its value; anything else as it is."""
    # str() of such a member is its name, from Python 3.11 on.
    return str.__str__(value) if isinstance(value, str) else value


def name_list(parameter: str, names: Iterable[str] | None) -> list[str]:
    """Return names as a list; a lone ``str`` is one name, not its letters, and an empty one is none."""
    if isinstance(names, str):
        names = [names] if names else []
    result = [text(name) for name in names or ()]
    for name in result:
        if not isinstance(name, str):
            raise TypeError(f"{parameter} must be a list of str; it holds {name!r}")
    return result


def whole_number(value: Any, name: str, least: int, most: int) -> int:
    """Return a number within its limits; a member of an enumeration is its number."""
    wanted = f"{name} must be a whole number from {least} to {most}, not {value!r}"
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(wanted)
    if not least <= value <= most:
        raise ValueError(wanted)
    return int(value)


def either(name: str, value: T | None, other_name: str, other_value: T | None) -> T | None:
    """Return what was given by one of two names."""
    if value is not None and other_value is not None:
        raise ValueError(f"give {name} or {other_name}, which mean the same, and not both")
    return other_value if value is None else value
