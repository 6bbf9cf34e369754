"""``webpubsub groups``: put connections into groups, and take them out."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ._arguments import Verbs, add_verb
from ._errors import WrongUsageError
from ._service import open_service

if TYPE_CHECKING:
    from .. import WebPubSubServiceClient


def add(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "groups",
        run,
        "Put connections into groups, or take them out.",
        "webpubsub groups add chat lobby news --filter \"userId eq 'ada'\"",
        "webpubsub groups remove chat --user ada --every-group",
    )
    parser.add_argument("action", choices=("add", "remove"), help="what to do")
    parser.add_argument("hub", metavar="HUB", help="name of the hub")
    parser.add_argument("groups", metavar="GROUP", nargs="*", help="names of the groups")
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--user", metavar="U", help="the connections of this user")
    who.add_argument("--connection", metavar="C", help="the connection with this id")
    who.add_argument("--filter", metavar="ODATA", help="the connections that this expression picks; '' picks all")
    parser.add_argument("--every-group", action="store_true", help="remove from every group (not with --filter)")


def run(options: argparse.Namespace) -> int:
    """Do it."""
    if options.every_group and (options.groups or options.action == "add" or options.filter is not None):
        raise WrongUsageError("--every-group is for 'remove' with --user or --connection, and with no GROUP")
    if not options.groups and not options.every_group:
        raise WrongUsageError("no GROUP is named")
    with open_service(options) as client:
        if options.filter is not None:
            change = (
                client.add_connections_to_groups if options.action == "add" else client.remove_connections_from_groups
            )
            change(options.groups, options.filter)
        elif options.user is not None:
            _change_user(client, options)
        else:
            _change_connection(client, options)
    return 0


def _change_user(client: WebPubSubServiceClient, options: argparse.Namespace) -> None:
    if options.every_group:
        client.remove_user_from_all_groups(options.user)
    for group in options.groups:
        change = client.add_user_to_group if options.action == "add" else client.remove_user_from_group
        change(group, options.user)


def _change_connection(client: WebPubSubServiceClient, options: argparse.Namespace) -> None:
    if options.every_group:
        client.remove_connection_from_all_groups(options.connection)
    for group in options.groups:
        change = client.add_connection_to_group if options.action == "add" else client.remove_connection_from_group
        change(group, options.connection)
