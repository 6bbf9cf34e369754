"""A client that stays connected to a hub: a lost connection is recovered, or it is said why not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from ._errors import CommandError, UnreachableError
from ._frames import SUBPROTOCOL, Connected, Disconnected, Message, Session, confirmation, read
from ._output import one_line, say

if TYPE_CHECKING:
    from .. import ClientAccessToken

_LARGEST_FRAME = 8 * 1_048_576  # a message of 1 MB may be written with an escape for each character
_SECONDS_TO_CLOSE = 2
_FIRST_DELAY, _LONGEST_DELAY = 0.25, 5.0
_ON_PURPOSE = {1000, 1005}
_POLICY_VIOLATION = 1008
_UNREADABLE = {1002, 1003, 1007, 1009}
_TRY_LATER = {429, 500, 502, 503, 504}
_MOST_WORDS = 500


class _LostError(Exception):
    """The connection has ended, and it makes sense to try again."""


class Follower:
    """Follows a hub until who takes the messages wants no more.

    :param str name: What is followed, for what is said to the user.
    :param mint: Gives the URL of a new connection; raises CommandError.
    :param take: Is given each message; says whether it wants more.
    """

    def __init__(self, name: str, mint: Callable[[], ClientAccessToken], take: Callable[[Message], bool]) -> None:
        self._name = name
        self._mint = mint
        self._take = take
        self._session = Session()
        self._farewell = ""
        self._was_connected = False
        self._is_recovery = False
        self._said = ""
        self._delay = _FIRST_DELAY

    async def follow(self) -> None:
        """Follow the hub.

        :raises CommandError: if there is no connection at first, the service refuses, or closes it on purpose.
        """
        while not await self._has_enough():
            await asyncio.sleep(self._delay)
            self._delay = min(max(self._delay * 2, _FIRST_DELAY), _LONGEST_DELAY)

    async def _has_enough(self) -> bool:
        try:
            await self._attempt()
        except _LostError as lost:
            if not self._was_connected:
                raise UnreachableError(f"No connection to {self._name}: {lost}") from None
            self._say(f"Connection lost ({lost}); trying again.")
            return False
        return True

    def _say(self, text: str) -> None:
        if text != self._said:
            say(text)
        self._said = text

    async def _attempt(self) -> None:
        """Connect, and read until there is enough.

        :raises _LostError: if one should try again.
        :raises CommandError: if not.
        """
        self._farewell = ""
        try:
            async with connect(
                self._url(),
                subprotocols=[Subprotocol(SUBPROTOCOL)],
                max_size=_LARGEST_FRAME,
                close_timeout=_SECONDS_TO_CLOSE,
            ) as socket:
                await self._read(socket)
        except ConnectionClosed as error:
            raise self._after_close(error) from None
        except InvalidStatus as error:
            raise self._after_refusal(error) from None
        except (InvalidHandshake, EOFError) as error:
            raise _LostError(f"the answer is not that of Azure Web PubSub: {one_line(str(error))}") from None
        except (OSError, asyncio.TimeoutError, UnreachableError) as error:
            raise _LostError(one_line(str(error)) or "no answer in time") from None

    def _url(self) -> str:
        self._is_recovery = self._session.recovery_url is not None
        if self._session.recovery_url:
            return self._session.recovery_url
        token = self._mint()
        self._session.start(token["baseUrl"])
        return token["url"]

    async def _read(self, socket: ClientConnection) -> None:
        if socket.subprotocol != SUBPROTOCOL:
            raise CommandError(f"the event handler of {self._name} chose another subprotocol than {SUBPROTOCOL}")
        while True:
            try:
                frame = read(await socket.recv())
            except ValueError as error:
                raise CommandError(f"{self._name} sent {error}") from None
            self._delay = _FIRST_DELAY
            if self._is_recovery:
                self._say("Connected again, nothing is lost.")
                self._is_recovery = False
            if isinstance(frame, Connected):
                self._welcome(frame)
            elif isinstance(frame, Disconnected):
                self._farewell = frame.reason
            elif isinstance(frame, Message):
                wants_more = not self._session.is_news(frame) or self._take(frame)
                if frame.sequence_id is not None:
                    await socket.send(confirmation(frame.sequence_id))
                if not wants_more:
                    return

    def _welcome(self, frame: Connected) -> None:
        if self._session.recovery_url is None:
            user = f", user '{one_line(frame.user_id)}'" if frame.user_id else ""
            self._say(f"Connected to {self._name}: connection {one_line(frame.connection_id)}{user}. Ctrl-C ends.")
        self._session.welcome(frame)
        self._was_connected = True

    def _after_close(self, error: ConnectionClosed) -> Exception:
        """Return what the end of a connection means."""
        by_us, by_service = error.sent, error.rcvd
        if by_us is not None and by_us.code in _UNREADABLE and not error.rcvd_then_sent:
            # It would be sent again to a connection that is recovered.
            return CommandError(f"{self._name} sent what cannot be read: {one_line(by_us.reason)}")
        if by_service is None:
            return _LostError("it broke off")
        reason = self._farewell or one_line(by_service.reason)
        if by_service.code in _ON_PURPOSE:
            return CommandError(f"the service closed the connection: {reason or 'it gave no reason'}")
        if by_service.code == _POLICY_VIOLATION and self._session.recovery_url:
            return self._give_up_recovery(reason)
        return _LostError(reason or f"it was closed with {by_service.code}")

    def _after_refusal(self, error: InvalidStatus) -> Exception:
        """Return what a status in place of a WebSocket means."""
        response = error.response
        words = one_line((response.body or b"")[:_MOST_WORDS].decode(errors="replace").strip())
        status = f"{response.status_code} {one_line(response.reason_phrase)}".strip() + (f": {words}" if words else "")
        if response.status_code in _TRY_LATER and self._was_connected:
            return _LostError(status)
        if self._session.recovery_url:
            return self._give_up_recovery(status)
        return CommandError(f"the service refused the connection: {status}")

    def _give_up_recovery(self, reason: str) -> _LostError:
        self._session.recovery_url = None
        if self._is_recovery:
            self._delay = 0.0  # the service is there, and has said what it had to say about the old connection
        return _LostError(f"{reason.removesuffix('.') or 'refused'}; what was sent meanwhile is lost")
