"""Pytest fixtures: an emulator that is as new for every test, one in the loop of an async test, and a hub name.

Switch it on with ``pytest_plugins = ["azure.messaging.webpubsubservice.emulator.pytest_plugin"]`` in ``conftest.py``.
One emulator serves a whole session, on a free port, in a thread of its own; under pytest-xdist each worker has its own.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Literal

import pytest

from . import WebPubSubEmulator

try:
    import pytest_asyncio
except ImportError:
    pytest_asyncio = None  # type: ignore[assignment]

__all__ = ["webpubsub_emulator", "webpubsub_emulator_async", "webpubsub_hub"]

_MAX_HUB = 128
_LOOP_SCOPES: tuple[Literal["function", "class", "module", "package", "session"], ...]
_LOOP_SCOPES = ("function", "class", "module", "package", "session")
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def _webpubsub_server() -> Iterator[WebPubSubEmulator]:
    with WebPubSubEmulator() as emulator:
        yield emulator


@pytest.fixture
def webpubsub_emulator(_webpubsub_server: WebPubSubEmulator) -> Iterator[WebPubSubEmulator]:
    """Give a running emulator without clients, added event handlers, faults or records; it is reset after the test."""
    _webpubsub_server.reset()
    yield _webpubsub_server
    _webpubsub_server.reset()


@pytest.fixture
def webpubsub_emulator_async(request: pytest.FixtureRequest) -> WebPubSubEmulator:
    """Give a new emulator that runs in the event loop of an async test, of pytest-asyncio's or anyio's.

    So event handlers in this process are called in the loop of the test, and may use what the test has made there.
    """
    if "anyio_backend" in request.fixturenames:
        return _emulator_of(request, "_webpubsub_anyio_loop")
    mark = request.node.get_closest_marker("asyncio")
    if mark is None or pytest_asyncio is None:
        pytest.fail(
            "webpubsub_emulator_async is for an async test of pytest-asyncio or anyio; others take webpubsub_emulator",
            pytrace=False,
        )
    scope = mark.kwargs.get("loop_scope") or request.config.getini("asyncio_default_test_loop_scope")
    return _emulator_of(request, f"_webpubsub_{scope}_loop")


def _emulator_of(request: pytest.FixtureRequest, fixture: str) -> WebPubSubEmulator:
    emulator: WebPubSubEmulator = request.getfixturevalue(fixture)
    return emulator


def _is_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _in_the_loop() -> Callable[[], AsyncIterator[WebPubSubEmulator]]:
    # A function anew for each fixture, as pytest-asyncio notes the scope of the loop on it.
    async def run() -> AsyncIterator[WebPubSubEmulator]:
        if not _is_asyncio():
            pytest.fail("the emulator runs in asyncio: let the fixture 'anyio_backend' return 'asyncio'", pytrace=False)
        async with WebPubSubEmulator() as emulator:
            yield emulator

    return run


_webpubsub_anyio_loop = pytest.fixture(_in_the_loop(), name="_webpubsub_anyio_loop")

if pytest_asyncio is not None:
    # The loop of a test is that of its own function, or one of a wider scope.
    for _scope in _LOOP_SCOPES:
        _name = f"_webpubsub_{_scope}_loop"
        globals()[_name] = pytest_asyncio.fixture(_in_the_loop(), loop_scope=_scope, name=_name)


@pytest.fixture
def webpubsub_hub(request: pytest.FixtureRequest) -> str:
    """Give a hub name that no other test of the session has, also in other workers."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    name = re.sub(r"\W", "_", request.node.name, flags=re.ASCII)
    return f"h{next(_numbers)}_{worker}_{name}"[:_MAX_HUB]
