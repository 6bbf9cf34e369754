"""``webpubsub exists``: is anybody there."""

from __future__ import annotations

import argparse

from ._arguments import Verbs, add_targets, add_verb
from ._output import write_line
from ._service import open_service


def add(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "exists",
        run,
        "Say whether a group or a user has any connection, or whether a connection is open: yes or no.",
        "webpubsub exists chat --user ada",
        "webpubsub exists chat --group lobby",
    )
    parser.add_argument("hub", metavar="HUB", help="name of the hub")
    add_targets(parser, "ask about {}", required=True)


def run(options: argparse.Namespace) -> int:
    """Print yes or no; both are exit status 0, for 1 would be taken for a failure."""
    with open_service(options) as client:
        if options.group is not None:
            found = client.group_exists(options.group)
        elif options.user is not None:
            found = client.user_exists(options.user)
        else:
            found = client.connection_exists(options.connection)
    write_line("yes" if found else "no")
    return 0
