"""Messages to send: an argument of the command, or standard input, a line each."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import BinaryIO, Literal, NamedTuple, TypeAlias

from ._errors import WrongUsageError

Kind = Literal["text", "json", "binary"]
CONTENT_TYPES: dict[Kind, str] = {
    "text": "text/plain",
    "json": "application/json",
    "binary": "application/octet-stream",
}
LARGEST = 1_048_576  # what the service takes
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Message(NamedTuple):
    """One message to send."""

    where: str
    """Where it comes from, for errors, such as ``line 3``."""
    content: bytes
    """What is sent."""
    read: int
    """How many bytes of the input it took."""


Messages: TypeAlias = "Generator[Message, None, None]"


def of_argument(text: str, kind: Kind) -> Messages:
    """Give the message of an argument.

    :raises WrongUsageError: if it is not of its kind, or too large.
    """
    content = text.encode("utf-8", "surrogateescape")  # as the shell gave it
    yield _checked(Message("the message", content, len(content)), kind)


def of_whole(stream: BinaryIO, kind: Kind) -> Messages:
    """Give all of a stream as one message.

    :raises WrongUsageError: if it is not of its kind, or too large.
    """
    content = stream.read(LARGEST + 1)
    yield _checked(Message("the input", content, len(content)), kind)


def of_lines(stream: BinaryIO, kind: Kind) -> Messages:
    """Give a message for each line of a stream, as soon as it is there; empty lines are passed over.

    :raises WrongUsageError: at a line that is not of its kind, or too large.
    """
    number = 0
    while line := stream.readline(LARGEST + 3):  # room for one byte too many before the end of the line
        number += 1
        content = line.removesuffix(b"\n")
        if kind != "binary":
            content = content.removesuffix(b"\r")
            if number == 1:
                content = content.removeprefix(_BYTE_ORDER_MARK)
        if content:
            yield _checked(Message(f"line {number}", content, len(line)), kind)


def _checked(message: Message, kind: Kind) -> Message:
    if len(message.content) > LARGEST:
        raise WrongUsageError(
            f"{message.where} has more than the {LARGEST} bytes that the service takes in one message"
        )
    if kind == "binary":
        return message
    try:
        text = message.content.decode()
    except UnicodeDecodeError as error:
        raise WrongUsageError(f"{message.where} is not UTF-8 (byte {error.start}): send it with --binary") from None
    if kind == "json":
        try:
            json.loads(text, parse_constant=_no_constant, parse_int=float)
        except RecursionError:
            raise WrongUsageError(f"{message.where} is JSON that is nested too deep") from None
        except ValueError as error:
            raise WrongUsageError(f"{message.where} is not JSON: {error}") from None
    return message


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no value of JSON")
