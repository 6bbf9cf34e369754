"""What the emulator's command is told: by arguments, which go first, by the environment, and by a settings file."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ._settings import Handlers, join_event_handlers, parse_event_handler
from ._settings_file import Settings
from ._settings_watch import SettingsWatch

if TYPE_CHECKING:
    import argparse

    from ._emulator import WebPubSubEmulator

__all__ = ["CommandSettings"]

_LOGGER = logging.getLogger("azure.messaging.webpubsubservice.emulator")
_HOST, _PORT = "localhost", 8080


class CommandSettings:
    """The settings of one run of the command.

    :param options: Arguments; None stands for one that was not given.
    :param environ: Environment variables.
    :raises ValueError: if a setting is wrong.
    """

    def __init__(self, options: argparse.Namespace, environ: Mapping[str, str]) -> None:
        self._options = options
        self._environ = environ
        self._path: str | None = options.settings
        # Made before the file is read, so that no change is missed.
        self._watch = None if self._path is None else SettingsWatch(self._path)
        self._said = self._read()
        #: Address to listen on.
        self.host: str = options.host or self._said.host or _HOST
        ports = (options.port, self._said.port, _PORT)
        #: Port to listen on.
        self.port: int = next(each for each in ports if each is not None)

    def _read(self) -> Settings:
        said = Settings.read(self._path, self._environ)
        for each in said.ignored:
            _LOGGER.warning("%s", each)
        return said

    @property
    def has_console(self) -> bool:
        """Whether there is the console: not where other machines may come in, unless it is asked for by name."""
        asked: bool | None = self._options.console
        return not self._options.allow_remote if asked is None else asked

    @property
    def has_handlers(self) -> bool:
        """Whether there is an event handler."""
        return any(self._handlers(self._said).values())

    def _handlers(self, said: Settings) -> Handlers:
        handlers = said.event_handlers
        for text in self._options.event_handler:
            handlers = join_event_handlers(parse_event_handler(text), handlers)
        return handlers

    def make(self) -> WebPubSubEmulator:
        """Return the emulator that is asked for.

        :raises ValueError: if a setting is wrong.
        """
        # Through the package, whose message names the extra that may be missing.
        from . import WebPubSubEmulator

        options, said = self._options, self._said
        key = said.access_key if options.access_key is None else options.access_key
        keys: dict[str, Any] = {} if key is None else {"access_key": key}
        return WebPubSubEmulator(
            host=self.host,
            port=self.port,
            endpoint=options.endpoint,
            secondary_key=options.secondary_key,
            event_handlers=self._handlers(said),
            accept_entra_tokens=options.accept_entra_tokens or bool(said.accept_entra_tokens),
            allow_remote=options.allow_remote,
            allowed_hosts=options.allow_host,
            allowed_origins=options.allow_origin,
            allow_anonymous=[*options.allow_anonymous, *said.anonymous_hubs],
            console=self.has_console,
            **keys,
        )

    async def watch(self, emulator: WebPubSubEmulator) -> None:
        """Let the emulator have the event handlers of the settings file whenever it changes, until cancelled."""
        if self._watch is not None:
            await self._watch.run(lambda: self._read_again(emulator))

    def _read_again(self, emulator: WebPubSubEmulator) -> None:
        """Take the event handlers that the settings file says now; if it is wrong, what it said before stays."""
        try:
            now = self._read()
            emulator.replace_event_handlers(self._handlers(now))
        except ValueError as error:
            _LOGGER.warning("%s. What the file said before stays.", error)
            return
        before, self._said = self._said, now
        _LOGGER.info("%s was read again", self._path)
        if replace(before, event_handlers={}, ignored=()) != replace(now, event_handlers={}, ignored=()):
            _LOGGER.warning(
                "%s: changes to other settings than event handlers take effect at the next start", self._path
            )
