"""``webpubsub subscribe``: print what a client of a hub receives."""

from __future__ import annotations

import argparse
import contextlib
from typing import TYPE_CHECKING

from ._arguments import Verbs, add_verb, whole_number
from ._errors import COMMAND_EXTRA, explain, missing
from ._output import write_line
from ._service import open_service

if TYPE_CHECKING:
    from .. import ClientAccessToken
    from ._frames import Message


def add(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "subscribe",
        run,
        "Connect to a hub as a client, and print what it receives, a line a message, until Ctrl-C.",
        "webpubsub subscribe chat",
        "webpubsub subscribe chat --user ada --group lobby --group news --raw --count 1",
    )
    add_ = parser.add_argument
    add_("hub", metavar="HUB", help="name of the hub")
    add_("--user", metavar="U", help="connect as this user")
    add_("--group", metavar="G", action="append", help="be in this group; may be given several times")
    add_(
        "--raw",
        action="store_true",
        help="print the frames of messages as the service sends them: JSON that tells "
        "the group, the sender and the type of the data",
    )
    add_("--count", metavar="N", type=whole_number(1), help="end after so many messages")


def run(options: argparse.Namespace) -> int:
    """Print messages until there is enough."""
    import asyncio

    try:
        from ._following import Follower
    except ModuleNotFoundError:
        raise missing("subscribe", "websockets", COMMAND_EXTRA) from None

    with open_service(options) as client:

        def mint() -> ClientAccessToken:
            try:
                return client.get_client_access_token(user_id=options.user, groups=options.group)
            except Exception as error:
                raise explain(error) or error from None

        count = 0

        def take(message: Message) -> bool:
            nonlocal count
            write_line(message.raw if options.raw else message.line)
            count += 1
            return options.count is None or count < int(options.count)

        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(Follower(f"hub '{options.hub}' at {client.endpoint}", mint, take).follow())
    return 0
