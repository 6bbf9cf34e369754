"""Why a verb ends early: a sentence for the user, and the exit status that goes with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azure.core.exceptions import HttpResponseError

REFUSED = 1
WRONG_USAGE = 2
INTERRUPTED = 130  # what shells make of Ctrl-C
COMMAND_EXTRA = "azure-messaging-webpubsubservice[command]"


class CommandError(Exception):
    """Ends the command with exit status 1: the service refused, or something on the way to it failed."""

    status = REFUSED


class UnreachableError(CommandError):
    """Nobody answers where the service should be."""


class WrongUsageError(CommandError):
    """What was asked for is no use to anybody."""

    status = WRONG_USAGE


def missing(what: str, package: str, install: str) -> CommandError:
    """Return the failure of what needs a package that is not installed."""
    return CommandError(f'{what} needs the package {package!r}: pip install "{install}"')


def explain(error: Exception) -> CommandError | None:
    """Return what an error of the client means to who typed the command; None for one that nobody expected."""
    from azure.core.exceptions import AzureError, HttpResponseError, ServiceRequestError, ServiceResponseError
    from msrest.exceptions import ValidationError

    if isinstance(error, CommandError):
        return error
    if isinstance(error, HttpResponseError):
        return CommandError(f"the service refused: {_words(error)}")
    if isinstance(error, ServiceRequestError | ServiceResponseError):
        return UnreachableError(error.message)
    if isinstance(error, AzureError):
        return CommandError(error.message)
    if isinstance(error, ValueError | ValidationError):
        return WrongUsageError(str(error))
    return None


def _words(error: HttpResponseError) -> str:
    """Return the service's words and the hints below them, without what azure-core says a second time."""
    repeated = ("Code: ", "Message: ", "Target: ")
    return "\n".join(line for line in error.message.splitlines() if not line.startswith(repeated))
