"""What a forked child has of an emulator that runs in its parent: the sockets, but not the thread that serves them.

The child lets go of them, so that the port is free and the clients see the end when the parent closes them.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterable
from typing import Any

_running: weakref.WeakKeyDictionary[Any, Callable[[Any], object]] = weakref.WeakKeyDictionary()
# Objects of the parent's event loop would complain at their end, and close what is not theirs.
_left: list[object] = []


def watch(emulator: Any, leave: Callable[[Any], object]) -> None:
    """See that an emulator is told, as long as it exists, when it finds itself in a forked child.

    :param emulator: The emulator.
    :param leave: Called with it then; what is returned is never collected.
    """
    _running[emulator] = leave


def let_go(numbers: Iterable[int]) -> None:
    """Let go of sockets without a word to the peers and to the parent's event loop; the numbers stay taken."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in numbers:
        os.dup2(nothing, number, inheritable=False)
    os.close(nothing)


def _leave_all() -> None:
    _left.extend([leave(emulator) for emulator, leave in tuple(_running.items())])


if hasattr(os, "register_at_fork"):  # there is none on Windows
    os.register_at_fork(after_in_child=_leave_all)
