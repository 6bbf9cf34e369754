"""Between the hubs and their event handlers: which event of which connection is next, and what to report back.

User events of a connection go to the handler one after the other, in the order in which they came, and ``disconnected``
goes last. ``connected``, ``joined`` and ``left`` go in the background, as the service sends them, in an order of their
own. Calling handlers is the business of ``_upstream``. One event loop owns it.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..hub import _events as on
from ..protocols._handshake import Guest, Visitor
from ._answers import ConnectOutcome, UserEventOutcome
from ._cloudevents import (
    ConnectedEvent,
    ConnectEvent,
    ConnectionContext,
    DisconnectedEvent,
    GroupEvent,
    UserEvent,
)
from ._upstream import Upstream, not_found

if TYPE_CHECKING:
    from ..hub.mqtt._packets import Connect

#: Events of one connection that may wait for its handler before nothing more is read from it.
QUEUE_LIMIT = 64

_NOT_FOUND = 404

_LOGGER = logging.getLogger("azure.messaging.webpubsubservice.emulator")


class _Talk:
    """What is under way between one connection and its event handlers."""

    __slots__ = ("context", "notices", "queue", "teller", "worker")

    def __init__(self, context: ConnectionContext) -> None:
        self.context: ConnectionContext = context
        self.queue: deque[on.RaiseEvent | on.Ended] = deque()
        self.worker: asyncio.Task[None] | None = None
        # What nobody waits for: a group joined or left, or, None, that the client has come in.
        self.notices: deque[on.GroupChanged | None] = deque()
        self.teller: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Number of events that wait for the handler."""
        return len(self.queue) + len(self.notices)

    def next_context(self) -> ConnectionContext:
        """Count one more event and return what it says of the connection; ``connect`` is number 0."""
        self.context = replace(self.context, event_id=self.context.event_id + 1)
        return self.context


class EventDesk:
    """The events of all connections of one emulator.

    :param report: Called with a hub's name and what came of an event.
    :param on_progress: Called with the id of a connection for which fewer events are waiting, if nothing is reported.
    """

    def __init__(
        self, report: Callable[[str, on.Handled], None], on_progress: Callable[[str], None] = lambda _: None
    ) -> None:
        self._report = report
        self._on_progress = on_progress
        self._upstream: Upstream | None = None
        self._talks: dict[str, _Talk] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def upstream(self) -> Upstream | None:
        """What calls event handlers, None if there were none so far."""
        return self._upstream

    def start(self, upstream: Upstream, connected: Iterable[ConnectionContext] = ()) -> None:
        """Begin to call event handlers; never called when there are none.

        :param upstream: Calls them.
        :param connected: The connections that are there already.
        """
        self._upstream = upstream
        for context in connected:
            self._talks.setdefault(context.connection_id, _Talk(context))

    async def stop(self) -> None:
        """Drop what is under way and close what is open to handlers."""
        tasks = self.reset()
        if tasks:
            await asyncio.wait(tasks, timeout=1.0)
        if self._upstream is not None:
            await self._upstream.aclose()
            self._upstream = None

    def reset(self) -> list[asyncio.Task[None]]:
        """Drop what is under way, and return the tasks that are being cancelled."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        self._talks.clear()
        return tasks

    async def connect(self, connection_id: str, guest: Guest, visitor: Visitor) -> ConnectOutcome:
        """Ask the event handler, if there is one for it, whether a client may come in."""
        if self._upstream is None or not self._upstream.handles(guest.hub, "connect"):
            return ConnectOutcome()
        context = ConnectionContext(guest.hub, connection_id, guest.user_id, origin=guest.known_as)
        outcome = await self._upstream.connect(
            ConnectEvent(context, _claims(guest.claims), _lists(visitor.query), _lists(visitor.headers), guest.offered)
        )
        if outcome.is_accepted:
            self._talks[connection_id] = _Talk(replace(context, state=outcome.state or ""))
        return outcome

    async def connect_mqtt(self, guest: Guest, visitor: Visitor, packet: Connect, physical_id: str) -> ConnectOutcome:
        """Ask the event handler, if there is one for it, whether an MQTT client may come in: once for each CONNECT."""
        if self._upstream is None or not self._upstream.handles(guest.hub, "connect"):
            return ConnectOutcome()
        context = ConnectionContext(
            guest.hub, packet.client_id, guest.user_id, "mqtt", origin=guest.known_as, physical_id=physical_id
        )
        claims, query, headers = _claims(guest.claims), _lists(visitor.query), _lists(visitor.headers)
        return await self._upstream.connect(ConnectEvent(context, claims, query, headers, guest.offered, packet))

    def opened_mqtt(self, context: ConnectionContext, state: str | None, *, is_new: bool) -> None:
        """Learn that an MQTT client has begun a session, or is back in the one it has, of which no handler is told."""
        talk = self._talks.get(context.connection_id)
        if is_new or talk is None:
            talk = self._talks[context.connection_id] = _Talk(context)
        talk.context = replace(talk.context, physical_id=context.physical_id, origin=context.origin)
        if state is not None:
            talk.context = replace(talk.context, state=state)
        if is_new and self._upstream is not None and self._upstream.handles(context.hub, "connected"):
            self._notify(talk, None)

    def forget(self, connection_id: str) -> None:
        """Forget a client that was let in but never came."""
        self._talks.pop(connection_id, None)
        if self._upstream is not None:
            self._upstream.forget(connection_id)

    def opened(self, connection_id: str, guest: Guest) -> None:
        """Tell the event handler that a client has come in."""
        if self._upstream is None:
            return  # no handler at all, so nothing to keep in mind for each connection
        context = ConnectionContext(guest.hub, connection_id, origin=guest.known_as)
        talk = self._talks.setdefault(connection_id, _Talk(context))
        talk.context = replace(talk.context, user_id=guest.user_id, subprotocol=guest.echo)
        if self._upstream.handles(guest.hub, "connected"):
            self._notify(talk, None)

    def raise_event(self, hub: str, effect: on.RaiseEvent) -> int:
        """Bring a user event to its handler; return how many are waiting."""
        talk = self._talks.get(effect.connection_id)
        if talk is None or self._upstream is None or not self._upstream.handles(hub, effect.event, is_user=True):
            _LOGGER.warning("connection %s: %s", effect.connection_id, not_found(hub, effect.event))
            self._report(hub, _not_handled(effect))
            return 0
        self._enqueue(talk, effect)
        return talk.waiting

    def group_changed(self, hub: str, effect: on.GroupChanged) -> int:
        """Tell the event handler that a connection has joined a group or left it; return how many are waiting."""
        talk = self._talks.get(effect.connection_id)
        if talk is None or self._upstream is None:
            return 0
        if self._upstream.handles_group_event(hub, _name_of(effect), effect.group):
            self._notify(talk, effect)
        return talk.waiting

    def waiting(self, connection_id: str) -> int:
        """Return how many events of a connection are waiting."""
        talk = self._talks.get(connection_id)
        return talk.waiting if talk else 0

    def ended(self, effect: on.Ended) -> None:
        """Tell the event handler that a connection is over, once its last event has been handled."""
        talk = self._talks.get(effect.connection_id)
        if talk is not None:
            self._enqueue(talk, effect)

    def _enqueue(self, talk: _Talk, effect: on.RaiseEvent | on.Ended) -> None:
        talk.queue.append(effect)
        if talk.worker is None:
            talk.worker = self._spawn(self._work(talk))

    def _notify(self, talk: _Talk, notice: on.GroupChanged | None) -> None:
        talk.notices.append(notice)
        if talk.teller is None:
            talk.teller = self._spawn(self._tell(talk))

    async def _tell(self, talk: _Talk) -> None:
        try:
            while talk.notices and self._upstream is not None:
                notice = talk.notices.popleft()
                context = talk.next_context()
                try:
                    if notice is None:
                        await self._upstream.connected(ConnectedEvent(context))
                    else:
                        await self._upstream.group_event(GroupEvent(context, _name_of(notice), notice.group))
                except Exception:
                    _LOGGER.exception("An event of connection %s could not be handled.", context.connection_id)
                self._on_progress(context.connection_id)
        finally:
            talk.teller = None

    async def _work(self, talk: _Talk) -> None:
        try:
            while talk.queue:
                effect = talk.queue.popleft()
                if isinstance(effect, on.Ended):
                    await self._say_goodbye(talk, effect)
                else:
                    await self._bring(talk, effect)
        finally:
            # A task that stays here would keep every later event of the connection from its handler.
            talk.worker = None

    async def _bring(self, talk: _Talk, effect: on.RaiseEvent) -> None:
        if self._upstream is None:
            return
        event = UserEvent(talk.next_context(), effect.event, effect.payload, effect.metadata, effect.packet)
        try:
            outcome = await self._upstream.user_event(event)
        except Exception:
            _LOGGER.exception("The event %r of connection %s could not be handled.", effect.event, effect.connection_id)
            outcome = UserEventOutcome(failed=True)
        if outcome.state is not None:
            talk.context = replace(talk.context, state=outcome.state)
        handled = on.Handled(
            effect.connection_id,
            effect.ack_id,
            outcome.failed,
            outcome.reply,
            outcome.metadata,
            invocation_id=effect.invocation_id,
        )
        if effect.packet is not None:
            from ._mqtt import read_event_answer

            handled = replace(handled, packet=effect.packet, answer=read_event_answer(outcome.answer))
        self._report(talk.context.hub, handled)

    async def _say_goodbye(self, talk: _Talk, effect: on.Ended) -> None:
        # An MQTT client may have begun a session of the same id meanwhile.
        if self._talks.get(effect.connection_id) is talk:
            del self._talks[effect.connection_id]
        if talk.teller is not None:
            await asyncio.wait([talk.teller])
        if self._upstream is not None:
            await self._upstream.disconnected(DisconnectedEvent(talk.next_context(), effect.reason, effect.ending))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _name_of(effect: on.GroupChanged) -> str:
    return "joined" if effect.joined else "left"


def _not_handled(effect: on.RaiseEvent) -> on.Handled:
    """Return what a client is told of an event that no handler takes."""
    answer = None if effect.packet is None else on.MqttAnswer(_NOT_FOUND)
    return on.Handled(
        effect.connection_id,
        effect.ack_id,
        failed=True,
        packet=effect.packet,
        answer=answer,
        invocation_id=effect.invocation_id,
    )


def _claims(claims: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return claims as the ``connect`` event carries them: every value is a list of strings."""
    return {
        name: [_claim_text(each) for each in (value if isinstance(value, list) else [value])]
        for name, value in claims.items()
    }


def _claim_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _lists(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return values
