"""The command ``python -m azure.messaging.webpubsubservice.emulator``: arguments, messages, signals, exit status.

``webpubsub emulator`` is the same, but for its name and the exit status of wrong usage.

Standard output carries what a program may read (one line begins ``ConnectionString: ``), standard error the log.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import logging
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from ._emulator import WebPubSubEmulator

_PROGRAM = "python -m azure.messaging.webpubsubservice.emulator"
_EPILOG = """examples:
  %(prog)s
  %(prog)s --port 9000 --event-handler chat=http://localhost:3000/eventhandler

Environment variables of the official emulator are read, too, such as Urls, WebPubSub__AccessKey and
WebPubSub__Hubs__chat__EventHandlers__0__UrlTemplate: arguments go before them, and they before the settings file.
"""
_MAX_PORT = 65535
_LOGGER = logging.getLogger("azure.messaging.webpubsubservice.emulator")


class _Parser(argparse.ArgumentParser):
    """Reports a wrong argument in one line."""

    wrong_usage = 1

    def error(self, message: str) -> NoReturn:
        self.exit(self.wrong_usage, f"error: {message} (--help tells what there is)\n")


def _parser(program: str) -> _Parser:
    parser = _Parser(
        prog=program,
        description="Runs Azure Web PubSub on this machine, for development and tests. No Azure account is needed.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--host", help="address to listen on (default: localhost, on IPv4 and IPv6)")
    add("--port", type=_port, help="port to listen on, 0 for a free one (default: 8080)")
    add("--endpoint", metavar="URL", help="endpoint by which clients know it, such as https://name, behind a proxy")
    add("--access-key", metavar="KEY", help="access key (default: that of Microsoft's own emulator)")
    add("--secondary-key", metavar="KEY", help="a second access key, as good as the first")
    add(
        "--event-handler",
        metavar="HUB=URL",
        action="append",
        default=[],
        help="send the events of a hub to this URL, {hub} and {event} in it are replaced; may be given several times",
    )
    add(
        "--settings",
        metavar="FILE",
        help="read settings from a file like the official appsettings.json, and event handlers again when it changes",
    )
    add("--accept-entra-tokens", action="store_true", help="accept Microsoft Entra tokens, without validating them")
    add("--allow-remote", action="store_true", help="allow a --host that other machines can reach")
    add(
        "--allow-host",
        metavar="HOST",
        action="append",
        default=[],
        help="let requests in that name this host, beside those of this machine; may be given several times",
    )
    add(
        "--allow-origin",
        metavar="ORIGIN",
        action="append",
        default=[],
        help="let web pages of this origin in, such as https://app.example.com; may be given several times",
    )
    add(
        "--allow-anonymous",
        metavar="HUB",
        action="append",
        default=[],
        help="let clients into this hub without a token; may be given several times",
    )
    add(
        "--console",
        action=argparse.BooleanOptionalAction,
        help="a web page that shows what happens and lets you act (default: yes, but not with --allow-remote)",
    )
    add("--log-level", choices=("debug", "info", "warning", "error"), default="info", help="(default: info)")
    return parser


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > _MAX_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: give a number from 0 to {_MAX_PORT}")
    return int(text)


def main(arguments: Sequence[str] | None = None, *, program: str = _PROGRAM, wrong_usage: int = 1) -> int:
    """Run the emulator until it is stopped; return the exit status.

    :param arguments: Command line arguments; those of the process if None.
    :keyword str program: What the command is called, for its help.
    :keyword int wrong_usage: Exit status if the arguments are wrong.
    """
    parser = _parser(program)
    parser.wrong_usage = wrong_usage
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        # Their names alone: a value may be a key.
        names = (each.partition("=")[0] if each.startswith("-") else "..." for each in unknown)
        parser.error(f"there is no argument {' '.join(names)}")
    logging.basicConfig(
        stream=sys.stderr, level=options.log_level.upper(), format="%(asctime)s %(levelname)-7s %(message)s"
    )
    try:
        return asyncio.run(_serve(options))
    except ImportError as error:
        return _fail(str(error))
    except ValueError as error:
        return _fail(str(error).replace("allow_remote=True", "--allow-remote"), wrong_usage)
    except KeyboardInterrupt:
        return 0


async def _serve(options: argparse.Namespace) -> int:
    from ._command_settings import CommandSettings

    settings = CommandSettings(options, os.environ)
    emulator = settings.make()
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Windows has no signal handlers in the loop; there Ctrl+C ends asyncio.run.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stopped.set)
    try:
        await emulator.start_async()
    except OSError as error:
        return _fail(_explain(error, settings.host, settings.port))
    watching = loop.create_task(settings.watch(emulator))
    try:
        if not settings.has_handlers:
            _LOGGER.info("no event handler: --event-handler HUB=URL sends the events of a hub's clients to one")
        sys.stdout.write(_welcome(emulator, emulator.console_url if settings.has_console else None))
        sys.stdout.flush()
        await stopped.wait()
        _LOGGER.info("stopping: clients are closed with 1001")
    finally:
        watching.cancel()
        await emulator.stop_async()
    return 0


def _welcome(emulator: WebPubSubEmulator, console_url: str | None) -> str:
    own = emulator.endpoint.endswith(f":{emulator.port}")
    place = emulator.endpoint if own else f"{emulator.endpoint}, which has to lead to port {emulator.port}"
    console = "" if console_url is None else f"Console: {console_url}\n"
    return f"""\
Web PubSub emulator at {place}, Ctrl+C stops it. Connect a client and send it a first message:
    from azure.messaging.webpubsubservice import WebPubSubServiceClient
    service = WebPubSubServiceClient.from_connection_string("{emulator.connection_string}", hub="chat")
    print(service.get_client_access_token()["url"])  # open this URL with any WebSocket client, then:
    service.send_to_all("Hello", content_type="text/plain")
{console}\
ConnectionString: {emulator.connection_string}
"""


def _explain(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is in use: stop the program that has it, or choose another with --port"
    if error.errno == errno.EACCES:
        return f"port {port} may not be used by this user: choose one above 1023 with --port"
    return f"cannot listen on {host}:{port}: {error.strerror or error}"


def _fail(message: str, status: int = 1) -> int:
    sys.stderr.write(f"error: {message}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
