"""Retries that a publisher can reason about.

PUT, DELETE, HEAD and GET are repeated as azure-core repeats them. A POST, which is a send, is repeated only when it
surely did not run: nothing could be sent, the service throttled it (429), or it turned it away and said when to come
back (503 with Retry-After). Where it may have run (500, 502, 504, a lost answer) repeating could deliver a message
twice, so it is left to the caller, or to ``retry_sends=True``. One deadline holds over all attempts and the waits
between them; the transport ends each of its own waits at it.

``Attempts`` decides, without I/O; the two policies are the same loop with and without ``await``.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable
from http import HTTPStatus
from time import monotonic
from typing import Any, TypeVar
from urllib.parse import urlsplit

from azure.core import exceptions as core
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import AsyncRetryPolicy, RetryPolicy

from ._endpoint import is_loopback
from ._errors import Outcomes, raise_helpfully

T = TypeVar("T")

DEFAULT_TIMEOUT = 30.0
_LOST = (core.ServiceResponseError, core.IncompleteReadError)
_MAY_HAVE_RUN = "The request may have run, so it was not repeated (retry_sends=True repeats it)."
_NOBODY_LISTENS = "Nothing listens on this port of this machine: is the emulator running?"


class Attempts:
    """The attempts at one request: whether there is another, after how long a wait, and what the ones before got."""

    def __init__(self, policy: SendAwareRetryPolicy | AsyncSendAwareRetryPolicy, request: PipelineRequest[Any]) -> None:
        options, sent = request.context.options, request.http_request
        self._policy = policy
        self._request = request
        self._settings = policy.configure_retries(options)
        if options.pop("retry_sends", policy.retry_sends):
            self._settings["methods"] = {*self._settings["methods"], sent.method.upper()}
        if not isinstance(sent.content, bytes):
            policy._configure_positions(request, self._settings)  # noqa: SLF001 - how azure-core rewinds streams
        self._deadline = monotonic() + (self._settings["timeout"] or policy.timeout)
        # Policies take their options out with the first attempt, but they are meant for each.
        self._options = {**options, "deadline": self._deadline}
        self._started = 0.0

    def begin(self) -> None:
        """Start an attempt, unless the wait before it took longer than it should."""
        self._started = monotonic()
        context = self._request.context
        if self._started >= self._deadline:
            error = core.ServiceRequestTimeoutError("The time of this call was over before another attempt")
            Outcomes.of(context).tell(error)
            raise error
        context.options.update(self._options)
        context["retry_count"] = len(self._settings["history"])

    def after_response(self, response: PipelineResponse[Any, Any]) -> float | None:
        """Return the seconds to wait for the next attempt, or None if this answer is the result."""
        status = response.http_response.status_code
        if status < HTTPStatus.BAD_REQUEST and not self._settings["history"]:
            return None
        outcomes = Outcomes.of(response.context)
        outcomes.add(str(status), self._started)
        worth_it, asked = False, None
        if status >= HTTPStatus.BAD_REQUEST:
            asked = self._retry_after(response)
            # These mean that the service did not run the request.
            turned_away = status == HTTPStatus.TOO_MANY_REQUESTS or (
                status == HTTPStatus.SERVICE_UNAVAILABLE and asked is not None
            )
            may_repeat = self._may_repeat(response.http_request)
            if status >= HTTPStatus.INTERNAL_SERVER_ERROR and not (turned_away or may_repeat):
                outcomes.note = _MAY_HAVE_RUN
            worth_it = self._policy.is_retry(self._settings, response) if may_repeat else turned_away
        wait = self._wait(worth_it, asked, response=response)
        if wait is None:
            self._policy.update_context(response.context, self._settings)
            if status >= HTTPStatus.BAD_REQUEST:
                raise_helpfully(response)
        return wait

    def after_error(self, error: core.AzureError) -> float | None:
        """Return the seconds to wait for the next attempt, or None if this error is the result."""
        outcomes = Outcomes.of(self._request.context)
        outcomes.add(_outcome(error), self._started)
        unsent, lost = isinstance(error, core.ServiceRequestError), isinstance(error, _LOST)
        safe = unsent or self._may_repeat(self._request.http_request)
        refused_here = _is_refused_here(error, self._request.http_request.url)
        if refused_here:
            outcomes.note = _NOBODY_LISTENS
        # Waiting brings no program to this machine, but one that is just starting gets a second chance.
        in_vain = refused_here and self._settings["history"]
        wait = self._wait((unsent or lost) and safe and not in_vain, response=self._request, error=error)
        if wait is None:
            if lost and not safe:
                outcomes.note = _MAY_HAVE_RUN
            if unsent or lost or len(outcomes) > 1:
                outcomes.tell(error)
        return wait

    def _may_repeat(self, request: Any) -> bool:
        return request.method.upper() in self._settings["methods"]

    def _wait(self, worth_it: bool, asked: float | None = None, **happened: Any) -> float | None:
        """Count an attempt that failed; return the seconds to wait for another one, or None if there is none."""
        # Our clients read streams and iterables into memory; asynchronous ones cannot be, nor sent again.
        once = hasattr(self._request.http_request.content, "__aiter__")
        if not worth_it or once or not self._policy.increment(self._settings, **happened):
            return None
        wait = self._policy.get_backoff_time(self._settings) if asked is None else asked
        return wait if wait < self._deadline - monotonic() else None

    def _retry_after(self, response: PipelineResponse[Any, Any]) -> float | None:
        try:
            return self._policy.get_retry_after(response)
        except (AttributeError, TypeError, ValueError, OverflowError):
            return None  # what stands in the header is no time


def _is_refused_here(error: core.AzureError, url: str) -> bool:
    """Say whether nobody listens on a port of this machine's: the library's error holds the system's."""
    parts = urlsplit(url)
    if not is_loopback(parts.hostname or "") or "proxy" in error.message or f"{parts.port}" not in error.message:
        return False  # the last two: it is a proxy that refuses
    cause: Any = error
    for _ in range(5):
        if getattr(cause, "errno", None) == errno.ECONNREFUSED:
            return True
        cause = getattr(cause, "inner_exception", None) or getattr(cause, "__cause__", None)
    return False


def _outcome(error: core.AzureError) -> str:
    if isinstance(error, core.IncompleteReadError):
        return "half an answer"
    if not isinstance(error, core.ServiceRequestError | core.ServiceResponseError):
        return type(error).__name__
    late = " in time" if isinstance(error, core.ServiceRequestTimeoutError | core.ServiceResponseTimeoutError) else ""
    return ("no connection" if isinstance(error, core.ServiceRequestError) else "no answer") + late


async def within(seconds: float | None, waiting: Awaitable[T]) -> T:
    """Wait for so many seconds at most, as ``asyncio.wait_for`` does; outside of asyncio there is no limit."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return await waiting  # a transport of the caller's own may run on trio
    return await asyncio.wait_for(waiting, seconds)


class _Settings:
    """What both policies take besides azure-core's options."""

    def __init__(self, *, retry_sends: bool = False, timeout: float | None = None, **options: Any) -> None:
        super().__init__(timeout=timeout or DEFAULT_TIMEOUT, **options)  # type: ignore[call-arg]
        self.retry_sends = retry_sends

    def _is_read_error(self, err: Exception) -> bool:
        # An answer that broke off is a lost one to azure-core's transports, but not to its retry policy.
        return isinstance(err, _LOST)


class SendAwareRetryPolicy(_Settings, RetryPolicy[Any, Any]):
    """azure-core's retry policy, but a send is repeated only when it surely did not run."""

    def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        """Send the request, and again while that is right."""
        attempts = Attempts(self, request)
        transport: Any = request.context.transport
        while True:
            attempts.begin()
            try:
                response = self.next.send(request)
            except core.AzureError as error:
                wait = attempts.after_error(error)
                if wait is None:
                    raise
            else:
                wait = attempts.after_response(response)
                if wait is None:
                    return response
                response.http_response.close()
            if wait > 0:
                transport.sleep(wait)


class AsyncSendAwareRetryPolicy(_Settings, AsyncRetryPolicy[Any, Any]):
    """azure-core's retry policy, but a send is repeated only when it surely did not run."""

    async def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        """Send the request, and again while that is right."""
        attempts = Attempts(self, request)
        transport: Any = request.context.transport
        while True:
            attempts.begin()
            try:
                response = await self.next.send(request)
            except core.AzureError as error:
                wait = attempts.after_error(error)
                if wait is None:
                    raise
            else:
                wait = attempts.after_response(response)
                if wait is None:
                    return response
                await response.http_response.close()
            if wait > 0:
                await transport.sleep(wait)
