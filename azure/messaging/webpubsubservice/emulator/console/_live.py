"""Who looks: each viewer has a socket, on which the state and new rows come as they change.

A viewer first says the token, then, as often as it likes, which entries it wants to see. Nothing is sent, and nothing
made to be sent, while there is no viewer.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

from aiohttp import WSMsgType, web

from ._api import Api
from ._orders import ApiError, read_filter
from ._timeline import Filter, Timeline

_LOGGER = logging.getLogger("azure.messaging.webpubsubservice.emulator")
_FIRST_MESSAGE_SECONDS = 10.0
_PAUSE = 0.1
_LOOK_AGAIN = 1.0
_MAX_MESSAGE = 16 * 1024
_POLICY_VIOLATION, _GOING_AWAY = 1008, 1001


class Viewers:
    """The pages that look at one emulator.

    :param api: Where what is sent comes from.
    :param timeline: Tells when something has happened.
    :param is_token: Tells whether a text is the token.
    """

    def __init__(self, api: Api, timeline: Timeline, is_token: Callable[[str], bool]) -> None:
        self._api = api
        self._timeline = timeline
        self._is_token = is_token
        self._open: set[web.WebSocketResponse] = set()
        self._signals: set[asyncio.Event] = set()

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve a viewer until it goes."""
        socket = web.WebSocketResponse(max_msg_size=_MAX_MESSAGE, compress=False, timeout=1.0)
        await socket.prepare(request)
        self._open.add(socket)
        try:
            if await self._may_look(socket):
                await self._show(socket)
        finally:
            self._open.discard(socket)
        return socket

    async def close(self) -> None:
        """Send every viewer away."""
        for each in tuple(self._open):
            await each.close(code=_GOING_AWAY, message=b"The emulator is shutting down.")

    async def _may_look(self, socket: web.WebSocketResponse) -> bool:
        try:
            first = await socket.receive(_FIRST_MESSAGE_SECONDS)
            token = json.loads(first.data).get("token") if first.type is WSMsgType.TEXT else None
        except (asyncio.TimeoutError, ValueError, AttributeError, RecursionError):
            token = None
        if isinstance(token, str) and self._is_token(token):
            return True
        await socket.close(code=_POLICY_VIOLATION, message=b"The first message has to hold the token.")
        return False

    async def _show(self, socket: web.WebSocketResponse) -> None:
        signal = asyncio.Event()
        viewer = _Viewer(self._api, socket, signal)
        self._signals.add(signal)
        self._timeline.on_change = self._wake
        showing = asyncio.get_running_loop().create_task(viewer.show())
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    viewer.choose(message.data)
        finally:
            showing.cancel()
            self._signals.discard(signal)
            if not self._signals:
                self._timeline.on_change = None

    def _wake(self) -> None:
        for each in self._signals:
            each.set()


class _Viewer:
    """What one page has been sent, and what it wants to see."""

    def __init__(self, api: Api, socket: web.WebSocketResponse, signal: asyncio.Event) -> None:
        self._api = api
        self._socket = socket
        self._signal = signal
        self._filter = Filter()
        self._is_new = True
        self._latest = 0
        self._state = ""

    def choose(self, text: str) -> None:
        """Take which entries are to be shown from here on."""
        try:
            self._filter = read_filter(dict(json.loads(text)["filter"]))
        except (ApiError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            _LOGGER.info("console: a filter was not understood: %s", type(error).__name__)
            return
        self._is_new = True
        self._signal.set()

    async def show(self) -> None:
        """Send what has changed, until cancelled."""
        try:
            while not self._socket.closed:
                self._signal.clear()
                await self._show_state()
                await self._show_rows()
                # Together what comes together; what waits unread changes without a word.
                await asyncio.sleep(_PAUSE)
                try:
                    await asyncio.wait_for(self._signal.wait(), _LOOK_AGAIN)
                except (TimeoutError, asyncio.TimeoutError):
                    continue
        except ConnectionError:
            return  # it has gone, as its reader will learn

    async def _show_rows(self) -> None:
        is_new, self._is_new = self._is_new, False
        found = self._api.rows(self._filter, 0 if is_new else self._latest)
        is_new = is_new or found["latest"] < self._latest
        self._latest = found["latest"]
        if is_new or found["rows"]:
            await self._send({"type": "rows", "isNew": is_new, **found})

    async def _show_state(self) -> None:
        state = json.dumps(self._api.state(), ensure_ascii=False)
        if state != self._state:
            self._state = state
            await self._send({"type": "state", "state": json.loads(state)})

    async def _send(self, value: dict[str, Any]) -> None:
        await self._socket.send_str(json.dumps(value, ensure_ascii=False))
