"""What ``emulator.connect(...)`` returns: a client for ``with`` or for ``async with``, whichever comes."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from ._client import Place, WebSocketClient

if TYPE_CHECKING:
    from ._client_async import AsyncWebSocketClient

__all__ = ["Connector"]


class Connector:
    """Connects a client when it is entered, once: ``with`` gives one to call, ``async with`` one to await."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._client: WebSocketClient | None = None
        self._async_client: AsyncWebSocketClient | None = None

    def _check_new(self) -> None:
        if self._client is not None or self._async_client is not None:
            raise RuntimeError("this client has been connected before: call 'emulator.connect(...)' for another one")

    def __enter__(self) -> WebSocketClient:
        self._check_new()
        if self._place.must_not_wait():
            raise RuntimeError(
                "'with' would stop the event loop the emulator runs in: write 'async with emulator.connect(...)'"
            )
        self._client = WebSocketClient(self._place)
        return self._client

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._client is not None:
            self._client.close()

    async def __aenter__(self) -> AsyncWebSocketClient:
        self._check_new()
        from ._client_async import AsyncWebSocketClient

        self._async_client = await AsyncWebSocketClient._connect(self._place)  # noqa: SLF001 - made here only
        return self._async_client

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._async_client is not None:
            await self._async_client.close()
