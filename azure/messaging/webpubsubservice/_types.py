"""The types that annotations name and requests are made of: those of ``_all_types``, loaded when somebody asks for one.

azure-core takes many times as long to import as all of this package, and a program that only mints tokens needs nothing
of it. ``types.HttpRequest`` loads it with the first request; ``typing.get_type_hints`` and Sphinx find every name too.
"""

from __future__ import annotations

import os
import sys
from threading import RLock
from typing import TYPE_CHECKING

if sys.version_info >= (3, 11):
    from typing import Unpack as Unpack  # noqa: PLC0414
else:
    from typing_extensions import Unpack as Unpack  # noqa: PLC0414
if TYPE_CHECKING:
    from ._all_types import *  # noqa: F403

LOADING = RLock()
"""Held while a first request loads and makes things: a fork waits for it, so that no child has half a module."""

if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(before=LOADING.acquire, after_in_parent=LOADING.release, after_in_child=LOADING.release)


def __getattr__(name: str) -> object:
    if name.startswith("_"):  # the import system asks for such names
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with LOADING:
        from . import _all_types
    return globals().setdefault(name, getattr(_all_types, name))
