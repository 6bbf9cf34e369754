"""Request headers in one form, whichever framework they come from; and a mapping that does not care for letter case.

Frameworks hand headers over as str or bytes, as mappings or pairs, repeated or joined. Past this file is one form.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from ._bodies import InvalidEventError

_V = TypeVar("_V")
_Text = str | bytes

HeadersArgument = (
    Mapping[str, str] | Mapping[str, Sequence[str]] | Mapping[bytes, bytes] | Iterable[tuple[_Text, _Text]]
)


# Where a comma can only be what a WSGI server or a proxy put between the values of a repeated header. User ids, hubs
# and event names may hold one themselves.
_JOINT = r"[ \t]*,[ \t]*"
_JOINTS = {
    **dict.fromkeys(("ce-specversion", "ce-id", "ce-connectionid", "ce-physicalconnectionid"), _JOINT),
    **dict.fromkeys(("ce-sessionid", "ce-socketid", "ce-subprotocol", "content-length"), _JOINT),
    "ce-type": _JOINT + r"(?=azure\.webpubsub\.)",
}


class CaseInsensitiveMapping(Mapping[str, _V]):
    """A read-only mapping of names whose letter case is kept, but does not matter for a look-up."""

    def __init__(self, items: Iterable[tuple[str, _V]]) -> None:
        self._items: dict[str, tuple[str, _V]] = {name.lower(): (name, value) for name, value in items}

    def __getitem__(self, name: str) -> _V:
        return self._items[name.lower()][1]

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._items.values())

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        # Values of headers can be secrets.
        return f"<{type(self).__name__} {list(self)}>"


class Headers:
    """The headers of one request, under lower-case names."""

    def __init__(self, headers: HeadersArgument) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in _pairs(headers):
            self._values.setdefault(_name(name), []).append(_text(value).strip(" \t"))

    def all(self, name: str) -> list[str]:
        """Return the values of a header, one for each time it is there."""
        return self._values.get(name, [])

    def listed(self, name: str) -> list[str]:
        """Return the values of a header that is a list: comma-separated, repeated, or both."""
        return [part.strip() for value in self.all(name) for part in value.split(",") if part.strip()]

    def one(self, name: str) -> str | None:
        """Return the value of a header, or None if it is not there.

        :raises InvalidEventError: if it is there more than once, with different values
        """
        values = self.all(name)
        if joint := _JOINTS.get(name):
            values = [part for value in values for part in re.split(joint, value)]
        if any(value != values[0] for value in values):
            raise InvalidEventError(f"the header {name} is there more than once")
        return values[0] if values else None

    def required(self, name: str) -> str:
        """Return the value of a header that every event has.

        :raises InvalidEventError: if it is missing or empty, or there with different values
        """
        value = self.one(name)
        if not value:
            raise InvalidEventError(f"the header {name} is missing")
        return value

    def with_prefix(self, prefix: str) -> dict[str, str]:
        """Return the headers whose name begins so, without the prefix. The last of a repeated header counts."""
        return {name[len(prefix) :]: values[-1] for name, values in self._values.items() if name.startswith(prefix)}


def _pairs(headers: HeadersArgument) -> Iterator[tuple[_Text, _Text]]:
    if not isinstance(headers, Mapping):
        yield from headers
        return
    for name, value in headers.items():
        if isinstance(value, (str, bytes)):
            yield name, value
        else:
            for each in value:
                yield name, each


def _name(value: _Text) -> str:
    """Decode a header name. One that is not ASCII is none of the service's, and no letter of it becomes one that is."""
    name = value if isinstance(value, str) else bytes(value).decode("latin-1")
    return name.lower() if name.isascii() else name


def _text(value: _Text) -> str:
    """Decode header text: UTF-8 where it is, else Latin-1, which is how servers hand over what is not ASCII."""
    if isinstance(value, str) and value.isascii():
        return value
    try:
        raw = value.encode("latin-1") if isinstance(value, str) else bytes(value)
    except UnicodeEncodeError:
        return str(value)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
