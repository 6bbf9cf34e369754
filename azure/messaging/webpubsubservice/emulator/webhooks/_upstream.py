"""The service's side of event handlers: which one is asked, how often, and what came of it.

The only module that calls handlers. It knows connections by the values it is given and never touches the hub; whatever
goes wrong at a handler comes back as an outcome with its reason, never as an exception.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from .._record import RecordedWebhook
from ._abuse_protection import AbuseProtection
from ._answers import (
    Answer,
    BadAnswer,
    ConnectOutcome,
    UserEventOutcome,
    read_connect_answer,
    read_user_event_answer,
)
from ._cloudevents import (
    ConnectedEvent,
    ConnectEvent,
    ConnectionContext,
    DisconnectedEvent,
    GroupEvent,
    UpstreamEvent,
    UserEvent,
    event_headers,
)
from ._cookies import ConnectionCookies
from ._event_handlers import EventHandler, handler_function, without_secrets
from ._targets import CallTarget, HttpTarget, Unreachable, ask_asgi, run_apart

__all__ = ["RETRY_DELAYS", "TIMEOUT", "Upstream", "not_found"]

DEFAULT_HUB = "_default"
RETRY_DELAYS = (1.0, 3.0, 5.0)
TIMEOUT = 100.0

_REQUEST_TIMEOUT = 408
_SERVER_ERROR = 500

_logger = logging.getLogger("azure.messaging.webpubsubservice.emulator")


class Upstream:
    """Calls the event handlers of all hubs of one emulator. Belongs to one event loop.

    :param handlers: Handlers of each hub, the first that matches gets an event; ``_default`` for hubs without an entry.
    :keyword keys: Access keys, the primary one first.
    :keyword on_call: Called after each request with what was sent and what came of it.
    :keyword now: The emulator's clock.
    :keyword monotonic: Clock for intervals.
    :keyword retry_delays: Seconds to wait before each further try.
    :keyword float timeout: Seconds for an event, all tries together.
    :keyword sleep: Waits between two tries.
    :keyword sign: Returns a token for a resource at a time.
    """

    def __init__(
        self,
        handlers: Mapping[str, Sequence[EventHandler]],
        *,
        keys: Sequence[str],
        on_call: Callable[[RecordedWebhook], None] | None = None,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        retry_delays: Sequence[float] = RETRY_DELAYS,
        timeout: float = TIMEOUT,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        sign: Callable[[str, float], str] | None = None,
    ) -> None:
        #: Handlers of each hub, its name in lower case; others may take their place at any time.
        self.handlers: Mapping[str, Sequence[EventHandler]] = {
            hub.lower(): tuple(found) for hub, found in handlers.items()
        }
        self._keys = tuple(keys)
        self._on_call = on_call
        self._now = now
        self._monotonic = monotonic
        self._retry_delays = tuple(retry_delays)
        self._timeout = timeout
        self._sleep = sleep
        self._sign = sign
        self._http = HttpTarget()
        self._calls = CallTarget()
        self._protection = AbuseProtection(monotonic)
        self._cookies = ConnectionCookies()

    def handles(self, hub: str, event: str, *, is_user: bool = False) -> bool:
        """Return True if some handler of the hub takes the event."""
        return self._find(hub, event, is_user=is_user) is not None

    def handles_group_event(self, hub: str, event: str, group: str) -> bool:
        """Return True if some handler of the hub takes the event of the group."""
        return self._find_for_group(hub, event, group) is not None

    async def connect(self, event: ConnectEvent) -> ConnectOutcome:
        """Ask whether a client may connect; without a handler for it, it may."""
        handler = self._find(event.context.hub, event.name, is_user=False)
        if handler is None:
            return ConnectOutcome()
        try:
            answer = await self._call(handler, event)
            if answer.is_success:
                return read_connect_answer(answer, is_mqtt=event.packet is not None)
            outcome = ConnectOutcome(answer.status, why=f"the handler {handler.place} answered {answer.shown}")
            if event.packet is not None:
                from ._mqtt import read_refusal

                code, reason, pairs = read_refusal(answer)
                outcome = replace(outcome, code=code, reason=reason, user_properties=pairs)
        except BadAnswer as error:
            outcome = ConnectOutcome(_SERVER_ERROR, why=f"the handler {handler.place} failed: {error}")
        self.forget(event.context.connection_id)
        _log_failure(event, outcome.why)
        return outcome

    async def user_event(self, event: UserEvent) -> UserEventOutcome:
        """Deliver a user event and return what is to be sent back; without a handler for it, it has failed."""
        hub = event.context.hub
        handler = self._find(hub, event.name, is_user=True)
        if handler is None:
            why = not_found(hub, event.name)
            _logger.warning("%s", why)
            return UserEventOutcome(failed=True, why=why)
        try:
            answer = await self._call(handler, event)
            if event.packet is not None:
                state = answer.header("ce-connectionState") if answer.is_success else None
                return UserEventOutcome(failed=not answer.is_success, state=state, answer=answer)
            if answer.is_success:
                return _read_reply(handler, answer)
            why = f"the handler {handler.place} answered {answer.shown}"
        except BadAnswer as error:
            why = f"the handler {handler.place} failed: {error}"
        _log_failure(event, why)
        return UserEventOutcome(failed=True, why=why)

    async def connected(self, event: ConnectedEvent) -> None:
        """Tell the handler, if there is one, that a client was let in."""
        await self._notify(event)

    async def group_event(self, event: GroupEvent) -> None:
        """Tell the handler, if there is one, that a connection has joined a group or left it."""
        await self._notify(event)

    async def disconnected(self, event: DisconnectedEvent) -> None:
        """Tell the handler, if there is one, that a connection has ended; its cookies are forgotten."""
        try:
            await self._notify(event)
        finally:
            self.forget(event.context.connection_id)

    async def repeat(self, webhook: RecordedWebhook) -> RecordedWebhook | None:
        """Call the handler of a recorded call once more, with the same headers and body; None if it is there no more.

        What it answers has no effect on the connection.
        """
        hub, event = webhook.hub, webhook.event
        handler = next((each for each in self._of(hub) if each.url(hub, event) == webhook.url), None)
        if handler is None:
            return None
        again = replace(webhook, status=None, error=None, answer_headers=(), answer=b"")
        try:
            calling = self._ask(handler, webhook.url, "POST", webhook.headers, webhook.body)
            answer = await asyncio.wait_for(calling, self._timeout)
        except (Unreachable, BadAnswer) as error:
            again = replace(again, error=str(error))
        except (TimeoutError, asyncio.TimeoutError):
            again = replace(again, error=f"no answer in {self._timeout:g} seconds")
        else:
            again = replace(again, status=answer.status, answer_headers=answer.headers, answer=answer.body)
        if self._on_call is not None:
            self._on_call(again)
        return again

    def forget(self, connection_id: str) -> None:
        """Forget the cookies of a connection that will have no ``disconnected`` event."""
        self._cookies.forget(connection_id)

    async def aclose(self) -> None:
        """Close what is open to handlers."""
        await self._protection.aclose()
        await self._http.aclose()
        await self._calls.aclose()

    async def _notify(self, event: ConnectedEvent | DisconnectedEvent | GroupEvent) -> None:
        hub = event.context.hub
        if isinstance(event, GroupEvent):
            handler = self._find_for_group(hub, event.name, event.group)
        else:
            handler = self._find(hub, event.name, is_user=False)
        if handler is None:
            return
        try:
            answer = await self._call(handler, event)
        except BadAnswer as error:
            _log_failure(event, f"the handler {handler.place} failed: {error}")
            return
        if not answer.is_success:
            _log_failure(event, f"the handler {handler.place} answered {answer.shown}")

    def _find(self, hub: str, event: str, *, is_user: bool) -> EventHandler | None:
        return next((handler for handler in self._of(hub) if handler.takes(event, is_user=is_user)), None)

    def _find_for_group(self, hub: str, event: str, group: str) -> EventHandler | None:
        return next((handler for handler in self._of(hub) if handler.takes_group_event(event, group)), None)

    def _of(self, hub: str) -> Sequence[EventHandler]:
        return self.handlers.get(hub.lower(), self.handlers.get(DEFAULT_HUB, ()))

    async def _call(self, handler: EventHandler, event: UpstreamEvent) -> Answer:
        """Return the handler's last answer.

        :raises BadAnswer: if there is none that can be taken.
        """
        try:
            return await asyncio.wait_for(self._call_again(handler, event), self._timeout)
        except (TimeoutError, asyncio.TimeoutError):
            why = f"no answer in {self._timeout:g} seconds"
            self._report(handler, event, {}, why)
            raise BadAnswer(why) from None

    async def _call_again(self, handler: EventHandler, event: UpstreamEvent) -> Answer:
        refusal = await self._refusal(handler, event.context)
        if refusal is not None:
            self._report(handler, event, {}, refusal)
            raise BadAnswer(refusal)
        url = handler.url(event.context.hub, event.name)
        delays = iter(self._retry_delays)
        while True:
            headers = event_headers(event, keys=self._keys, now=self._now())
            headers |= self._cookies.header(event.context.connection_id, url)
            headers |= self._authorization(handler)
            begun = self._monotonic()
            try:
                outcome: Answer | Unreachable = await self._ask(handler, url, "POST", headers, event.body())
            except Unreachable as error:
                outcome = error
            except BadAnswer as error:
                self._log_call(handler, event, error, self._monotonic() - begun)
                self._report(handler, event, headers, str(error))
                raise
            self._log_call(handler, event, outcome, self._monotonic() - begun)
            self._report(handler, event, headers, outcome if isinstance(outcome, Answer) else str(outcome))
            delay = next(delays, None)
            if delay is None or (isinstance(outcome, Answer) and not _is_worth_a_retry(outcome)):
                break
            await self._sleep(delay)
        if isinstance(outcome, Unreachable):
            raise BadAnswer(str(outcome))
        if outcome.is_success:
            self._cookies.keep(event.context.connection_id, url, outcome.headers)
        return outcome

    async def _ask(
        self, handler: EventHandler, url: str | None, method: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        if url is not None and handler.app is None:
            return await self._http.ask(method, url, headers, body)
        try:
            if url is not None and handler.app is not None:
                return await run_apart(ask_asgi(handler.app, method, url, headers, body))
            return await run_apart(self._calls.ask(handler_function(handler.handler), method, headers, body))
        except BadAnswer:
            raise
        except Exception:
            _logger.exception("The handler %s raised an exception.", handler.place)
            return Answer(_SERVER_ERROR)

    async def _refusal(self, handler: EventHandler, context: ConnectionContext) -> str | None:
        url = handler.url(context.hub, "validate")
        if url is None:
            return None  # a function of this process need not be protected from it

        async def ask(method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
            return await self._ask(handler, url, method, {**headers, **self._authorization(handler)}, body)

        return await self._protection.refusal(url, without_secrets(url), context.origin, ask)

    def _authorization(self, handler: EventHandler) -> dict[str, str]:
        if handler.managed_identity is None or self._sign is None:
            return {}
        return {"Authorization": f"Bearer {self._sign(handler.managed_identity, self._now())}"}

    @staticmethod
    def _log_call(handler: EventHandler, event: UpstreamEvent, outcome: Answer | Exception, seconds: float) -> None:
        _logger.info(
            "hub %s, connection %s: event %s: %s %s in %.0f ms",
            event.context.hub,
            event.context.connection_id,
            event.name,
            handler.place,
            f"answered {outcome.status}" if isinstance(outcome, Answer) else f"gave no answer ({outcome})",
            seconds * 1000,
        )

    def _report(
        self, handler: EventHandler, event: UpstreamEvent, headers: Mapping[str, str], outcome: Answer | str
    ) -> None:
        if self._on_call is None:
            return
        self._on_call(
            RecordedWebhook(
                hub=event.context.hub,
                event=event.name,
                connection_id=event.context.connection_id,
                url=handler.url(event.context.hub, event.name),
                headers=headers,
                body=event.body(),
                status=outcome.status if isinstance(outcome, Answer) else None,
                error=None if isinstance(outcome, Answer) else outcome,
                answer_headers=outcome.headers if isinstance(outcome, Answer) else (),
                answer=outcome.body if isinstance(outcome, Answer) else b"",
            )
        )


def not_found(hub: str, event: str) -> str:
    """Return what the service logs of a user event that no handler takes, and what would help."""
    return (
        f"Upstream not found for hub:{hub},event:{event},type:user,category:messages: no event handler takes it; "
        f"give one with --event-handler {hub}=URL, or in Python with add_event_handler({hub!r}, ...)"
    )


def _is_worth_a_retry(answer: Answer) -> bool:
    return answer.status == _REQUEST_TIMEOUT or answer.status >= _SERVER_ERROR


def _read_reply(handler: EventHandler, answer: Answer) -> UserEventOutcome:
    outcome = read_user_event_answer(answer)
    if answer.body and answer.header("Content-Type") is None:
        _logger.warning("The handler %s answered without a Content-Type; it is taken as binary.", handler.place)
    return outcome


def _log_failure(event: UpstreamEvent, why: str) -> None:
    context = event.context
    _logger.warning("Event %s of connection %s, hub %s: %s", event.name, context.connection_id, context.hub, why)
