"""``webpubsub permissions``: what a connection may do."""

from __future__ import annotations

import argparse

from ._arguments import Verbs, add_verb
from ._output import write_line
from ._service import open_service


def add(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "permissions",
        run,
        "Grant a connection a permission for a group, revoke it, or check it: yes or no.",
        "webpubsub permissions grant chat sendToGroup --connection CONNECTION_ID --group lobby",
        "webpubsub permissions check chat joinLeaveGroup --connection CONNECTION_ID --group lobby",
    )
    parser.add_argument("action", choices=("grant", "revoke", "check"), help="what to do")
    parser.add_argument("hub", metavar="HUB", help="name of the hub")
    parser.add_argument("permission", choices=("sendToGroup", "joinLeaveGroup"), help="the permission")
    parser.add_argument("--connection", metavar="C", required=True, help="id of the connection")
    parser.add_argument("--group", metavar="G", required=True, help="the group that it is for")


def run(options: argparse.Namespace) -> int:
    """Do it; a check prints its answer."""
    permission, connection = options.permission, options.connection
    with open_service(options) as client:
        if options.action == "grant":
            client.grant_permission(permission, connection, target_name=options.group)
        elif options.action == "revoke":
            client.revoke_permission(permission, connection, target_name=options.group)
        else:
            found = client.has_permission(permission, connection, target_name=options.group)
            write_line("yes" if found else "no")
    return 0
