"""The program: its verbs, and how each way to end becomes an exit status."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from .._version import VERSION
from . import _close, _exists, _groups, _health, _members, _permissions, _publish, _subscribe, _token
from ._arguments import Parser
from ._errors import INTERRUPTED, WRONG_USAGE, CommandError
from ._output import OutputClosedError, abandon, prepare, say

_VERBS = (_publish, _subscribe, _token, _members, _exists, _groups, _permissions, _close, _health)
_EPILOG = """examples:
  webpubsub emulator
  webpubsub subscribe chat
  webpubsub publish chat hello

Each verb tells more with --help. Exit status: 0; 1 if the service refuses or cannot be reached; 2 for wrong usage.
"""


def parser() -> Parser:
    """Return the parser of the whole command, which shtab, for one, makes the completions of a shell from."""
    program = Parser(
        prog="webpubsub",
        description="Azure Web PubSub from a terminal: the service, or its emulator on this machine.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    program.add_argument("--version", action="version", version=VERSION)
    verbs = program.add_subparsers(metavar="VERB", required=True)
    # These two have parsers of their own, see main.
    verbs.add_parser("emulator", add_help=False, help="Run Azure Web PubSub on this machine.")
    verbs.add_parser("doctor", add_help=False, help="Examine a running event handler: would the service take it?")
    for verb in _VERBS:
        verb.add(verbs)
    program.set_defaults(verbs=verbs.choices)
    return program


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    :param arguments: Command line arguments; those of the process if None.
    """
    prepare()
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        try:
            return _run(given)
        finally:
            sys.stdout.flush()  # here, where it is caught if nobody reads it
    except CommandError as failure:
        say(f"error: {failure}")
        return failure.status
    except (OutputClosedError, BrokenPipeError):
        abandon(sys.stdout)
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(arguments: list[str]) -> int:
    verb, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if verb == "emulator":
        from ..emulator.__main__ import main as emulator

        return emulator(rest, program="webpubsub emulator", wrong_usage=WRONG_USAGE)
    if verb == "doctor":
        from ..eventhandler.__main__ import main as doctor

        return doctor(rest, program="webpubsub doctor")
    program = parser()
    found = program.get_default("verbs").get(verb)
    if found is None:
        program.parse_args(arguments)
        raise AssertionError  # which has ended the program
    options = found.parse(rest)
    status: int = options.run(options)
    return status
