"""Patterns of group names, as roles and settings of event handlers have them.

``?`` is one character and ``*`` any number of them, but for a dot; ``**`` takes dots too; a backslash takes the meaning
from the character behind it.
"""

from __future__ import annotations

MAX_STARS = 5
MAX_NAME_LENGTH = 1024

# A token is one of these, or a literal character: itself, or behind the mark below when it could be taken for one.
ONE, RUN, ANY = "?", "*", "**"
WILDCARDS = frozenset({ONE, RUN, ANY})
_ESCAPE = "\\"


def parse_tokens(text: str) -> list[str] | None:
    """Return the tokens of a pattern, or None if it is not a valid one."""
    if not text or text.isspace() or len(text) > MAX_NAME_LENGTH:
        return None
    tokens: list[str] = []
    stars = at = 0
    while at < len(text):
        width = 1
        if text[at] == _ESCAPE:
            width = 2
            if text[at + 1 : at + 2] not in (_ESCAPE, RUN, ONE):
                return None
            tokens.append(text[at : at + 2])
        elif text[at] == RUN:
            width = len(text) - at - len(text[at:].lstrip(RUN))
            stars += width
            tokens.append(RUN if width == 1 else ANY)
        else:
            tokens.append(text[at])
        at += width
    return tokens if stars <= MAX_STARS else None


class Pattern:
    """A wildcard pattern, matched in one pass over the name whatever the pattern.

    All ways to match are followed at once: bit ``i`` of a number says that the name so far can stand before token
    ``i``. There is no backtracking, so a hostile pattern costs no more than a plain one.
    """

    __slots__ = ("_accept", "_any", "_literals", "_one", "_run")

    def __init__(self, tokens: list[str]) -> None:
        self._accept = 1 << len(tokens)
        self._one = self._run = self._any = 0
        self._literals: dict[str, int] = {}
        for index, token in enumerate(tokens):
            bit = 1 << index
            if token == ONE:
                self._one |= bit
            elif token == RUN:
                self._run |= bit
            elif token == ANY:
                self._any |= bit
            else:
                self._literals[token[-1]] = self._literals.get(token[-1], 0) | bit

    def matches(self, name: str) -> bool:
        stars = self._run | self._any
        states = 1 | (1 & stars) << 1
        for char in name:
            dot = char == "."
            stay = states & (self._any if dot else stars)
            step = states & (self._literals.get(char, 0) | (0 if dot else self._one))
            states = stay | step << 1
            # A star may also stand for nothing. Two are never neighbours, so one step is enough.
            states |= (states & stars) << 1
            if not states:
                return False
        return bool(states & self._accept)


def parse_pattern(text: str) -> Pattern | None:
    """Return the pattern that a text is, or None if it is not a valid one."""
    tokens = parse_tokens(text)
    return None if tokens is None else Pattern(tokens)
