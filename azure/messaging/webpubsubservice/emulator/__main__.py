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
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from ._emulator import WebPubSubEmulator

_PROGRAM = "python -m azure.messaging.webpubsubservice.emulator"
_EPILOG = """examples:
  %(prog)s
  %(prog)s --port 9000 --event-handler chat=http://localhost:3000/eventhandler
"""
_MAX_PORT = 65535


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
    add("--host", default="localhost", help="address to listen on (default: localhost, on IPv4 and IPv6)")
    add("--port", type=_port, default=8080, help="port to listen on, 0 for a free one (default: 8080)")
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
    add("--settings", metavar="FILE", help="read event handlers from a file like the official appsettings.json")
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
        emulator = _make(options)
        return asyncio.run(_serve(emulator))
    except ImportError as error:
        return _fail(str(error))
    except ValueError as error:
        return _fail(str(error).replace("allow_remote=True", "--allow-remote"), wrong_usage)
    except OSError as error:
        return _fail(_explain(error, options))
    except KeyboardInterrupt:
        return 0


def _make(options: argparse.Namespace) -> WebPubSubEmulator:
    # Through the package, whose message names the extra that may be missing.
    from . import WebPubSubEmulator
    from ._settings import Settings, parse_event_handler

    settings = Settings.from_file(options.settings) if options.settings else Settings()
    for each in settings.ignored:
        logging.getLogger(__name__).warning("%s", each)
    handlers: dict[str, Any] = dict(settings.event_handlers)
    for text in options.event_handler:
        for hub, found in parse_event_handler(text).items():
            # What the command line says goes first.
            handlers[hub] = (*found, *handlers.get(hub, ()))
    key = settings.access_key if options.access_key is None else options.access_key
    keys: dict[str, Any] = {} if key is None else {"access_key": key}
    return WebPubSubEmulator(
        host=options.host,
        port=options.port,
        endpoint=options.endpoint,
        secondary_key=options.secondary_key,
        event_handlers=handlers,
        accept_entra_tokens=options.accept_entra_tokens or bool(settings.accept_entra_tokens),
        allow_remote=options.allow_remote,
        allowed_hosts=options.allow_host,
        allowed_origins=options.allow_origin,
        **keys,
    )


async def _serve(emulator: WebPubSubEmulator) -> int:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Windows has no signal handlers in the loop; there Ctrl+C ends asyncio.run.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stopped.set)
    async with emulator:
        sys.stdout.write(_welcome(emulator))
        sys.stdout.flush()
        await stopped.wait()
        logging.getLogger(__name__).info("stopping: clients are closed with 1001")
    return 0


def _welcome(emulator: WebPubSubEmulator) -> str:
    return f"""\
Web PubSub emulator at {emulator.endpoint}, Ctrl+C stops it. Connect a client and send it a first message:
    from azure.messaging.webpubsubservice import WebPubSubServiceClient
    service = WebPubSubServiceClient.from_connection_string("{emulator.connection_string}", hub="chat")
    print(service.get_client_access_token()["url"])  # open this URL with any WebSocket client, then:
    service.send_to_all("Hello", content_type="text/plain")
ConnectionString: {emulator.connection_string}
"""


def _explain(error: OSError, options: argparse.Namespace) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {options.port} is in use: stop the program that has it, or choose another with --port"
    if error.errno == errno.EACCES:
        return f"port {options.port} may not be used by this user: choose one above 1023 with --port"
    return f"cannot listen on {options.host}:{options.port}: {error.strerror or error}"


def _fail(message: str, status: int = 1) -> int:
    sys.stderr.write(f"error: {message}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
