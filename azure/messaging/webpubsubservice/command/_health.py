"""``webpubsub health``: is the service there and well."""

from __future__ import annotations

import argparse

from ._arguments import Verbs, add_verb
from ._errors import CommandError
from ._output import write_line
from ._service import open_service


def add(verbs: Verbs) -> None:
    """Add the verb."""
    add_verb(
        verbs,
        "health",
        run,
        "Say whether the service is healthy; credentials do not matter.",
        "webpubsub health",
        "webpubsub health && echo ready",
    )


def run(options: argparse.Namespace) -> int:
    """Print healthy, or fail."""
    with open_service(options) as client:
        if not client.get_service_status():
            raise CommandError(f"{client.endpoint} is not healthy")
        write_line(f"{client.endpoint} is healthy")
    return 0
