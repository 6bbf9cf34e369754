"""``webpubsub close``: close connections."""

from __future__ import annotations

import argparse
from typing import Any

from ._arguments import Verbs, add_targets, add_verb
from ._errors import WrongUsageError
from ._service import open_service


def add(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "close",
        run,
        "Close connections; it is no error if there are none.",
        "webpubsub close chat --user ada --reason 'logged out'",
        "webpubsub close chat --all",
    )
    parser.add_argument("hub", metavar="HUB", help="name of the hub")
    targets = add_targets(parser, "close {}", required=True)
    targets.add_argument("--all", action="store_true", help="close every connection of the hub")
    parser.add_argument("--reason", metavar="TEXT", help="why; clients of a PubSub subprotocol are told")
    parser.add_argument(
        "--exclude", metavar="C", action="append", help="leave this connection out; may be given several times"
    )


def run(options: argparse.Namespace) -> int:
    """Close the connections."""
    more: dict[str, Any] = {} if options.reason is None else {"reason": options.reason}
    if options.exclude:
        more["excluded"] = options.exclude
    if options.connection is not None and options.exclude:
        raise WrongUsageError("--exclude does not go with --connection")
    with open_service(options) as client:
        if options.connection is not None:
            client.close_connection(options.connection, **more)
        elif options.group is not None:
            client.close_group_connections(options.group, **more)
        elif options.user is not None:
            client.close_user_connections(options.user, **more)
        else:
            client.close_all_connections(**more)
    return 0
