"""What the asynchronous ``send_request`` gives: a request on its way."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from typing import Any

from .. import _types as types


class Sending:
    """A request on its way: ``await`` it for the answer, or enter it with ``async with`` to have the answer closed."""

    def __init__(self, sent: Coroutine[Any, Any, Any]) -> None:
        self._sent = sent

    def __await__(self) -> Generator[Any, None, types.AsyncHttpResponse]:
        return self.__aenter__().__await__()

    async def __aenter__(self) -> types.AsyncHttpResponse:
        response: types.AsyncHttpResponse = (await self._sent).http_response
        self._response = response
        return response

    async def __aexit__(self, *exc_details: object) -> None:
        await self._response.close()
