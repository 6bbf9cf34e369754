"""What the asynchronous ``send_request`` gives: a request on its way."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from typing import Any

from .. import _types as types


class Sending:
    """A request on its way: ``await`` it for the answer, or enter it with ``async with`` to have the answer closed.

    :param answer: The coroutine that sends it.
    """

    def __init__(self, answer: Coroutine[Any, Any, types.AsyncHttpResponse]) -> None:
        self._answer = answer
        self._response: types.AsyncHttpResponse | None = None

    def __await__(self) -> Generator[Any, None, types.AsyncHttpResponse]:
        return self._answer.__await__()

    async def __aenter__(self) -> types.AsyncHttpResponse:
        self._response = await self._answer
        return self._response

    async def __aexit__(self, *exc_details: object) -> None:
        if self._response is not None:
            await self._response.close()
