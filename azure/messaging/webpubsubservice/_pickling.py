"""Errors that can be pickled: azure-core's and msrest's hold tracebacks and connections, which cannot.

A worker process hands its errors to another one, and a task queue stores them: what cannot go along is None there, and
no token goes along.
"""

from __future__ import annotations

import copyreg
import pickle
from typing import Any


def let_be_pickled(*kinds: type[Exception]) -> None:
    """Register classes of errors, which are otherwise as they were."""
    for kind in kinds:
        copyreg.pickle(kind, _reduce)


def _reduce(error: Any) -> tuple[Any, ...]:
    return _rebuild, (type(error), error.args, {name: _copy(value) for name, value in vars(error).items()})


def _rebuild(kind: Any, args: tuple[Any, ...], state: dict[str, Any]) -> Exception:
    error: Exception = kind.__new__(kind, *args)
    vars(error).update(state)
    return error


def _copy(value: Any) -> Any:
    """Return what another process will have of an attribute."""
    try:
        copied = pickle.loads(pickle.dumps(value))  # noqa: S301 - as above
    except Exception:
        return None
    for each in (copied, getattr(copied, "_internal_response", None)):  # under requests, it has a request of its own
        headers: Any = getattr(getattr(each, "request", None), "headers", None)
        if headers is not None:
            headers.pop("Authorization", None)
    return copied
