"""What the command writes: results on standard output, everything else on standard error, and no secret on either.

What others sent is shown so that it cannot move the cursor, change the title or forge a line of a terminal.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from typing import TextIO

_SECRETS = (
    (re.compile(r"(accesskey\s*=\s*)[^;\s'\"]+", re.IGNORECASE), r"\1REDACTED"),
    (re.compile(r"(access_token=)[^&\s'\"]+"), r"\1REDACTED"),
)
# Control characters, breaks of lines, halves of surrogate pairs, and what turns the direction of text round.
_UNSAFE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class OutputClosedError(Exception):
    """Who read the standard output has gone, as ``head`` does when it has seen enough."""


def prepare() -> None:
    """Let no character be an error, whatever the encoding of the terminal or the pipe; nor that there is neither."""
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for as long as the process runs
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def write_line(text: str) -> None:
    """Write a line of the result, at once.

    :raises OutputClosedError: if nobody reads it.
    """
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise OutputClosedError from None
    except OSError as error:
        if os.name == "nt" and not sys.stdout.isatty():  # what Windows says of a closed pipe depends on its version
            raise OutputClosedError from None
        from ._errors import CommandError

        raise CommandError(f"cannot write to the standard output: {error.strerror or error}") from None


def say(text: str) -> None:
    """Tell the user something that is no result, on standard error."""
    lines = "".join(f"{one_line(line)}\n" for line in redact(text).split("\n"))
    with contextlib.suppress(OSError):
        sys.stderr.write(lines)
        sys.stderr.flush()


def abandon(stream: TextIO) -> None:
    """Let the interpreter end in peace, though what it still has to write goes nowhere."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def redact(text: str) -> str:
    """Take access keys and tokens out of a text."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def one_line(text: str) -> str:
    r"""Return a text as one line that is safe on a terminal: ``\n`` and ``\x1b`` in place of the characters."""
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def one_line_of_json(text: str) -> str:
    """Return the text of a JSON value as one line that is safe on a terminal, and means the same."""
    return _UNSAFE.sub(lambda found: " " if found[0] in "\r\n" else f"\\u{ord(found[0]):04x}", text)


def count(number: int, noun: str) -> str:
    """Return ``1 message``, ``2 messages``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
