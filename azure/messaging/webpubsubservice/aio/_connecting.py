"""From a name to a socket: addresses are looked up, and tried one after the other, a little apart.

As RFC 8305 describes it: an address that does not answer at once is not waited for before the next one is tried. Where
a connection goes is decided here and not by the loop's ``create_connection``, for not every loop's does the same.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import suppress
from itertools import chain, zip_longest
from typing import Any

_HEAD_START = 0.25

Address = tuple[int, int, int, Any]


async def connect_socket(loop: asyncio.AbstractEventLoop, host: str, port: int) -> socket.socket:
    """Return a connected socket.

    :param loop: The running event loop.
    :type loop: ~asyncio.AbstractEventLoop
    :param str host: Name or address.
    :param int port: Port.
    :return: The socket, which is the caller's to close.
    :rtype: ~socket.socket
    :raises OSError: if there is no connection to be had.
    :raises UnicodeError: if the name cannot be one.
    """
    addresses = await _look_up(loop, host, port)
    if len(addresses) == 1:
        return await _try(loop, addresses[0])
    return await _race(loop, addresses)


async def _look_up(loop: asyncio.AbstractEventLoop, host: str, port: int) -> list[Address]:
    for known in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError, ValueError):  # it is a name, or an address of the other family
            socket.inet_pton(known, host)
            # With the protocol's number: without it asyncio leaves Nagle's delay on.
            address: Any = (host, port) if known == socket.AF_INET else (host, port, 0, 0)
            return [(known, socket.SOCK_STREAM, socket.IPPROTO_TCP, address)]
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # In the system's order, but the two families in turn.
    by_family: dict[int, list[Address]] = {}
    for family, kind, protocol, _, address in found:
        by_family.setdefault(family, []).append((family, kind, protocol, address))
    return [each for each in chain(*zip_longest(*by_family.values())) if each is not None]


async def _try(loop: asyncio.AbstractEventLoop, where: Address) -> socket.socket:
    family, kind, protocol, address = where
    connecting = socket.socket(family, kind, protocol)
    try:
        connecting.setblocking(False)
        await loop.sock_connect(connecting, address)
    except BaseException:
        connecting.close()
        raise
    return connecting


async def _race(loop: asyncio.AbstractEventLoop, addresses: list[Address]) -> socket.socket:
    running: set[asyncio.Task[socket.socket]] = set()
    errors: list[OSError] = []
    waiting = iter(addresses)
    try:
        while True:
            following = next(waiting, None)
            if following is not None:
                running.add(loop.create_task(_try(loop, following)))
            elif not running:
                raise _the_one(errors)
            limit = None if following is None else _HEAD_START
            done, _ = await asyncio.wait(running, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                running.remove(task)
                try:
                    return task.result()
                except OSError as error:
                    errors.append(error)
    finally:
        for task in running:
            task.add_done_callback(_close)
            task.cancel()
        if running:
            await asyncio.wait(running)


def _the_one(errors: list[OSError]) -> OSError:
    texts = dict.fromkeys(map(str, errors))
    return errors[0] if len(texts) == 1 else OSError("; ".join(texts))


def _close(task: asyncio.Task[socket.socket]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().close()


async def end_task(task: asyncio.Task[Any]) -> None:
    """Cancel a task unless it is done, and wait until it has put away what it used."""
    if task.get_loop().is_closed():
        return
    if not task.done():
        task.cancel()
        if not isinstance(sys.exc_info()[1], GeneratorExit):  # who drops a coroutine lets it wait for nothing more
            await asyncio.wait((task,))
    if task.done() and not task.cancelled():
        task.exception()  # which nobody may ask for otherwise
