"""Notices that a settings file has changed, by looking at it from time to time.

Looking works everywhere: also for a file that is mounted into a container, or that an editor replaces.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

__all__ = ["SettingsWatch"]

_SECONDS = 0.5

_Stamp = tuple[int, int, int]


class SettingsWatch:
    """Looks whether a file has changed since this was made.

    :param path: The file.
    :keyword float seconds: Time between two looks.
    """

    def __init__(self, path: str | Path, *, seconds: float = _SECONDS) -> None:
        self._path = path
        self._seconds = seconds
        self._seen = _stamp(path)

    async def run(self, on_change: Callable[[], None]) -> None:
        """Look until cancelled.

        :param on_change: Called when the file has changed, or is gone.
        """
        before = self._seen
        while True:
            await asyncio.sleep(self._seconds)
            now = _stamp(self._path)
            # A file that is just being written looks different at each look; what it says then is not meant.
            if now == before and now != self._seen:
                self._seen = now
                on_change()
            before = now


def _stamp(path: str | Path) -> _Stamp | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
