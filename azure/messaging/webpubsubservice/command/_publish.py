"""``webpubsub publish``: send a message, or each line of standard input."""

from __future__ import annotations

import argparse
import contextlib
import os
import stat
import sys
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, BinaryIO

from . import _messages
from ._arguments import Verbs, add_targets, add_verb, whole_number
from ._errors import WrongUsageError
from ._messages import Messages
from ._output import count, say
from ._service import open_service

if TYPE_CHECKING:
    from .. import WebPubSubServiceClient

_MOST_SECONDS = 300


def add(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "publish",
        run,
        "Send a message to a hub, or to a part of it; or many, a line of standard input each.",
        "webpubsub publish chat hello",
        """printf '{"n": 1}\\n{"n": 2}\\n' | webpubsub publish chat --group lobby --json -""",
    )
    parser.add_argument("hub", metavar="HUB", help="name of the hub")
    parser.add_argument(
        "message", metavar="MESSAGE", nargs="?", default="-", help="what to send; - or nothing for standard input"
    )
    add_targets(parser, "send to {} alone")
    kinds = parser.add_mutually_exclusive_group()
    for kind, help_ in (
        ("text", "messages are text (this is the default)"),
        ("json", "messages are JSON, and sent as they are written"),
        ("binary", "messages are bytes"),
    ):
        kinds.add_argument(f"--{kind}", dest="kind", action="store_const", const=kind, help=help_)
    parser.set_defaults(kind="text")
    add_ = parser.add_argument
    add_("--whole", action="store_true", help="send the whole of standard input as one message")
    add_("--filter", metavar="ODATA", help="send only to connections that this expression picks")
    add_("--exclude", metavar="C", action="append", help="leave this connection out; may be given several times")
    add_(
        "--ttl",
        metavar="SECONDS",
        type=whole_number(0, _MOST_SECONDS),
        help=f"drop the message if a client has not fetched it after so long, 0 to {_MOST_SECONDS}; 0 is never",
    )
    add_("--quiet", action="store_true", help="show no progress and no summary")


def run(options: argparse.Namespace) -> int:
    """Send the messages."""
    with open_service(options) as client:
        send = partial(_sender(client, options), content_type=_messages.CONTENT_TYPES[options.kind])
        if options.message != "-":
            if options.whole:
                raise WrongUsageError("--whole is for standard input: leave MESSAGE out")
            _send(_messages.of_argument(options.message, options.kind), send, options)
        elif options.whole:
            _send(_messages.of_whole(_input(), options.kind), send, options)
        else:
            _send_lines(_input(), send, options)
    return 0


def _input() -> BinaryIO:
    if sys.stdin is None:
        raise WrongUsageError("there is no standard input: give a MESSAGE")
    return sys.stdin.buffer


def _sender(client: WebPubSubServiceClient, options: argparse.Namespace) -> Callable[..., None]:
    """Return the operation that sends to whom the options name, with all but the message.

    :raises WrongUsageError: if the service has no such operation.
    """
    narrowed: dict[str, Any] = {"filter": options.filter, "excluded": options.exclude}
    given = {name: value for name, value in narrowed.items() if value is not None}
    if options.ttl is not None:
        given["message_ttl_seconds"] = options.ttl
    if options.connection is not None:
        if options.filter is not None or options.exclude:
            raise WrongUsageError("--filter and --exclude do not go with --connection")
        return partial(client.send_to_connection, options.connection, **given)
    if options.user is not None:
        if options.exclude:
            raise WrongUsageError("--exclude does not go with --user: use --filter")
        return partial(client.send_to_user, options.user, **given)
    if options.group is not None:
        return partial(client.send_to_group, options.group, **given)
    return partial(client.send_to_all, **given)


def _send_lines(stream: BinaryIO, send: Callable[..., None], options: argparse.Namespace) -> None:
    typing = stream.isatty()
    if typing and not options.quiet:
        say(f"Each line is a message; {'Ctrl-Z and Enter end' if os.name == 'nt' else 'Ctrl-D ends'} the input.")
    messages = _messages.of_lines(stream, options.kind)
    if sys.stderr.isatty() and not typing and not options.quiet:
        messages = _watched(messages, stream)
    _send(messages, send, options)


def _watched(messages: Messages, stream: BinaryIO) -> Messages:
    """Pass messages on, and show a bar on standard error: of bytes if it is known how many there are."""
    try:
        from tqdm import tqdm
    except ModuleNotFoundError:
        yield from messages  # without a bar
        return
    found = os.fstat(stream.fileno())
    total = found.st_size if stat.S_ISREG(found.st_mode) else None
    unit = {"unit": " messages"} if total is None else {"unit": "B", "unit_scale": True}
    with tqdm(total=total, file=sys.stderr, leave=False, **unit) as bar:
        for message in messages:
            yield message
            bar.update(1 if total is None else message.read)


def _send(messages: Messages, send: Callable[..., None], options: argparse.Namespace) -> None:
    """Send one after the other, so that they arrive in their order; say in the end how many."""
    sent = size = 0
    last = ""
    ended = False
    begin = monotonic()
    try:
        with contextlib.closing(messages):  # and with them the bar, before anything is said
            for message in messages:
                send(message.content)
                sent += 1
                size += len(message.content)
                last = message.where
        ended = True
    finally:
        if not options.quiet and (ended or options.message == "-"):
            summary = f"{count(sent, 'message')} ({count(size, 'byte')}) sent to {_target(options)}"
            if ended:
                say(f"{summary} in {monotonic() - begin:.1f} s")
            else:
                say(f"{summary}, the last of them {last}" if sent else summary)


def _target(options: argparse.Namespace) -> str:
    for name in ("group", "user", "connection"):
        if getattr(options, name) is not None:
            return f"{name} '{getattr(options, name)}' of hub '{options.hub}'"
    return f"hub '{options.hub}'"
