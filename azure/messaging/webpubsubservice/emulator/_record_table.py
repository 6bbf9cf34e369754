"""Entries of the record as a table for notebooks. Values in, HTML out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from html import escape
from typing import Any, TypeVar

_Entry = TypeVar("_Entry")
_MOST_ROWS = 50
_MOST_CHARACTERS = 120


class Entries(tuple[_Entry, ...]):
    """A tuple of frozen values that a notebook shows as a table: the last 50, without what is empty in all of them."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return table(self)


def table(entries: tuple[Any, ...]) -> str:
    """Return a table of dataclass values of one kind, a line for each; what their repr leaves out is left out."""
    if not entries:
        return "<i>none</i>"
    shown = entries[-_MOST_ROWS:]
    names = [each.name for each in fields(shown[0]) if each.repr]
    # Numbers that are 0, texts and collections without content, and None say nothing.
    names = [name for name in names if any(getattr(entry, name) for entry in shown)]
    rows = [_row("th", names), *(_row("td", (_text(getattr(entry, name)) for name in names)) for entry in shown)]
    left_out = len(entries) - len(shown)
    return f"<table>{''.join(rows)}</table>" + (f"<i>and {left_out} before these</i>" if left_out else "")


def _row(kind: str, cells: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<{kind}>{escape(cell)}</{kind}>" for cell in cells) + "</tr>"


def _text(value: Any) -> str:
    if value is None:
        return ""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 1] + "…"
