"""How the verbs declare what they take: one way for what several of them share."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import NoReturn, TypeAlias

from ._output import redact
from ._service import add_service

Verbs: TypeAlias = "argparse._SubParsersAction[Parser]"  # noqa: SLF001 - it has no public name


class Parser(argparse.ArgumentParser):
    """Takes values that begin with a dash, as ids may, and shows no secret of what it does not understand."""

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Return the options of a command line; options may stand between what has no name, such as HUB and MESSAGE."""
        options, unknown = self.parse_known_intermixed_args(self._with_values_attached(arguments))
        if unknown:
            # Their names alone: a value may hold a key.
            names = [each.partition("=")[0] for each in unknown if each.startswith("-")]
            after = "; what begins with a dash and is no option comes after --"
            self.error(f"there is no {names[0]}{after}" if names else "too many arguments: quote what has spaces in it")
        return options

    def _with_values_attached(self, arguments: Sequence[str]) -> list[str]:
        known = self._option_string_actions
        found: list[str] = []
        at = 0
        while at < len(arguments) and arguments[at] != "--":
            name, value = arguments[at], arguments[at + 1 : at + 2]
            takes_value = name in known and known[name].nargs is None
            if takes_value and value and value[0].partition("=")[0] not in known:
                found.append(f"{name}={value[0]}")
                at += 2
            else:
                found.append(name)
                at += 1
        return [*found, *arguments[at:]]

    def error(self, message: str) -> NoReturn:
        super().error(redact(message))


def add_verb(
    verbs: Verbs, name: str, run: Callable[[argparse.Namespace], int], summary: str, *examples: str
) -> argparse.ArgumentParser:
    """Add a verb that speaks to the service.

    :param run: Called with the options; returns the exit status.
    :param str summary: What it does, in a sentence.
    :param examples: Command lines that run as they are.
    """
    parser = verbs.add_parser(
        name,
        help=summary,
        description=summary,
        epilog="\n  ".join(["examples:", *examples]).replace("%", "%%"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    add_service(parser)
    return parser


def add_targets(
    parser: argparse.ArgumentParser, help_: str, *, required: bool = False
) -> argparse._MutuallyExclusiveGroup:
    """Add the options that name a part of a hub, of which one may be given; return their group."""
    targets = parser.add_mutually_exclusive_group(required=required)
    targets.add_argument("--group", metavar="G", help=help_.format("the connections of this group"))
    targets.add_argument("--user", metavar="U", help=help_.format("the connections of this user"))
    targets.add_argument("--connection", metavar="C", help=help_.format("the connection with this id"))
    return targets


def whole_number(lowest: int, highest: int | None = None) -> Callable[[str], int]:
    """Return what reads a whole number within bounds."""
    bounds = f"of at least {lowest}" if highest is None else f"from {lowest} to {highest}"

    def read(text: str) -> int:
        number = int(text) if text.isascii() and text.isdigit() else -1
        if number < lowest or (highest is not None and number > highest):
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number {bounds}")
        return number

    return read
