"""Which service a verb speaks to, and as whom: options, environment, else the emulator on this machine."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ._errors import UnreachableError, explain, missing

if TYPE_CHECKING:
    from azure.identity import DefaultAzureCredential

    from .. import WebPubSubServiceClient

VARIABLE = "WEBPUBSUB_CONNECTION_STRING"
# Microsoft's emulator and ours have the same address and the same key, which is no secret.
EMULATOR = "Endpoint=http://localhost:8080;AccessKey=ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH;Version=1.0;"


def add_service(parser: argparse.ArgumentParser) -> None:
    """Add the options that name the service."""
    group = parser.add_argument_group(
        "which service",
        f"Else that of the environment variable {VARIABLE}; if it is not set, the emulator of this machine.",
    )
    one = group.add_mutually_exclusive_group()
    one.add_argument(
        "--connection-string",
        metavar="TEXT",
        help=f"from the Azure portal or an emulator (in {VARIABLE}, others on this machine do not see the key)",
    )
    one.add_argument("--endpoint", metavar="URL", help="with your identity of Entra ID; needs azure-identity")


@contextlib.contextmanager
def open_service(options: argparse.Namespace) -> Iterator[WebPubSubServiceClient]:
    """Give a client for the service that the options name; its errors leave the block as sentences.

    :raises CommandError: if a package is missing, the service refuses or is not there, or an argument is wrong.
    """
    chosen = options.connection_string or options.endpoint or os.environ.get(VARIABLE)
    try:
        with contextlib.ExitStack() as stack:
            yield _client(options, chosen or EMULATOR, stack)
    except Exception as error:
        failure = explain(error)
        if failure is None:
            raise
        if isinstance(failure, UnreachableError) and not chosen:
            hint = f"start one with 'webpubsub emulator', or name your service in {VARIABLE}"
            raise UnreachableError(
                f"{failure}\nNo service was named, so this is where an emulator would be: {hint}"
            ) from None
        raise failure from None


def _client(options: argparse.Namespace, chosen: str, stack: contextlib.ExitStack) -> WebPubSubServiceClient:
    from .. import WebPubSubServiceClient

    hub = getattr(options, "hub", None)
    if options.endpoint:
        credential = stack.enter_context(_identity())
        client = WebPubSubServiceClient(options.endpoint, credential, hub=hub)
    else:
        # One attempt more: who waits at a terminal is told sooner than a program that nobody watches.
        client = WebPubSubServiceClient.from_connection_string(chosen, hub, retry_connect=1)
    return stack.enter_context(client)


def _identity() -> DefaultAzureCredential:
    try:
        from azure.identity import DefaultAzureCredential
    except ModuleNotFoundError:
        raise missing("--endpoint", "azure-identity", "azure-identity") from None
    return DefaultAzureCredential()
