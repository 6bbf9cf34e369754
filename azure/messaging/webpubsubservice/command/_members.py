"""``webpubsub members``: who is in a group."""

from __future__ import annotations

import argparse
import json

from ._arguments import Verbs, add_verb, whole_number
from ._output import one_line, write_line
from ._service import open_service


def add(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "members",
        run,
        "List the connections of a group: id and user of each, with a tab between them.",
        "webpubsub members chat lobby",
        "webpubsub members chat lobby --top 10 --json",
    )
    parser.add_argument("hub", metavar="HUB", help="name of the hub")
    parser.add_argument("group", metavar="GROUP", help="name of the group")
    parser.add_argument("--top", metavar="N", type=whole_number(1), help="stop after so many")
    parser.add_argument("--json", action="store_true", help="print an object with connectionId and userId for each")


def run(options: argparse.Namespace) -> int:
    """Print a line for each connection."""
    with open_service(options) as client:
        for member in client.list_connections(options.group, top=options.top):
            if options.json:
                write_line(json.dumps({"connectionId": member.connection_id, "userId": member.user_id}))
            else:
                write_line(one_line(f"{member.connection_id}\t{member.user_id or ''}".rstrip()))
    return 0
