"""``webpubsub token``: the URL with which a client connects."""

from __future__ import annotations

import argparse
import json

from ._arguments import Verbs, add_verb, whole_number
from ._output import write_line
from ._service import open_service


def add(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add_verb(
        verbs,
        "token",
        run,
        "Print the URL with which a client connects to a hub; keep it as you would a password.",
        "webpubsub token chat",
        "webpubsub token chat --user ada --group lobby --role webpubsub.sendToGroup.lobby --minutes 5 --json",
    )
    add_ = parser.add_argument
    add_("hub", metavar="HUB", help="name of the hub")
    add_("--user", metavar="U", help="the user that the client will be")
    add_("--group", metavar="G", action="append", help="the client is in this group; may be given several times")
    add_("--role", metavar="R", action="append", help="what the client may do; may be given several times")
    add_("--minutes", metavar="M", type=whole_number(1), default=60, help="how long one can connect with it (60)")
    add_("--protocol", choices=("Default", "MQTT", "SocketIO"), default="Default", help="of the client")
    add_("--json", action="store_true", help="print an object with baseUrl, token and url")


def run(options: argparse.Namespace) -> int:
    """Print the URL, or its parts."""
    with open_service(options) as client:
        token = client.get_client_access_token(
            user_id=options.user,
            groups=options.group,
            roles=options.role,
            minutes_to_expire=options.minutes,
            client_protocol=options.protocol,
        )
    write_line(json.dumps(token) if options.json else token["url"])
    return 0
