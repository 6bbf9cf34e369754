"""The builders of ``rest``, which is loaded with the first request: a program that only mints tokens needs none."""

from typing import TYPE_CHECKING

from ._types import LOADING

if TYPE_CHECKING:
    from .rest import *  # noqa: F403


def __getattr__(name: str) -> object:
    with LOADING:
        from . import rest
    return globals().setdefault(name, getattr(rest, name))
