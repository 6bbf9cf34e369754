"""Bodies of requests that are too large to be written at once, or that come from the caller bit by bit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

_PIECE = 1 << 16


async def pieces_of(body: Any) -> AsyncGenerator[bytes, None]:
    """Return a body piece by piece.

    :param body: bytes, a binary stream, which is read in a thread, an iterable or an async iterable of bytes or str, or
        None.
    :type body: Any
    """
    if isinstance(body, bytes):
        view = memoryview(body)
        for start in range(0, len(body), _PIECE):
            yield view[start : start + _PIECE]  # type: ignore[misc]  # written alike
    elif hasattr(body, "read"):
        loop = asyncio.get_running_loop()
        while piece := await loop.run_in_executor(None, body.read, _PIECE):  # it may be a file
            yield piece
    elif hasattr(body, "__aiter__"):
        async for piece in body:
            if piece:  # an empty chunk would be the last
                yield piece.encode() if isinstance(piece, str) else bytes(piece)
    else:
        for piece in body or ():
            if piece:
                yield piece.encode() if isinstance(piece, str) else bytes(piece)
