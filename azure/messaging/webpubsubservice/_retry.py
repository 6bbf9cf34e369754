"""Retries that a publisher can reason about.

PUT, DELETE, HEAD and GET are repeated as azure-core repeats them. A POST, which is a send, is repeated only when it
surely did not run: nothing could be sent, the service throttled it (429), or it turned it away and said when to come
back (503 with Retry-After). Where it may have run (500, 502, 504, a lost answer) repeating could deliver a message
twice, so it is left to the caller, or to ``retry_sends=True``. One deadline holds over all attempts and the waits
between them; the transport ends each of its own waits at it.

``Attempts`` decides, without I/O; the two policies are the same loop with and without ``await``.
"""

from __future__ import annotations

import errno
from http import HTTPStatus
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from azure.core.exceptions import (
    AzureError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceRequestTimeoutError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import AsyncRetryPolicy, RetryPolicy

from ._endpoint import is_loopback
from ._errors import Outcomes, extend, raise_helpfully

DEFAULT_TIMEOUT = 30.0
_LONGEST = 7 * 86400.0  # what azure-core takes for "no limit"; a socket's limit cannot be infinite
_BAD_REQUEST = int(HTTPStatus.BAD_REQUEST)
_LOST = (ServiceResponseError, IncompleteReadError)
# What requests, urllib3 and ssl raise before a request is sent, and only then.
_BEFORE_SENDING = frozenset(
    ("ConnectTimeout", "ConnectTimeoutError", "NewConnectionError", "ProxyError", "SSLCertVerificationError")
)
_MAY_HAVE_RUN = "The request may have run, so it was not repeated (retry_sends=True repeats it)."
_NOBODY_LISTENS = "Nothing listens on this port of this machine: is the emulator running?"


class Attempts:
    """The attempts at one request: whether there is another, after how long a wait, and what the ones before got.

    :raises TypeError: if a timeout is no number.
    :raises ValueError: if a timeout is not above 0.
    """

    def __init__(self, policy: SendAwareRetryPolicy | AsyncSendAwareRetryPolicy, request: PipelineRequest[Any]) -> None:
        options = request.context.options
        self._policy = policy
        self._request = request
        self._may_repeat_sends = bool(options.pop("retry_sends", policy.retry_sends))
        self._settings = policy.configure_retries(options)
        for name in ("connection_timeout", "read_timeout"):
            if name in options:
                options[name] = seconds(name, options[name])
        if not isinstance(request.http_request.content, bytes):
            policy._configure_positions(request, self._settings)  # noqa: SLF001 - how azure-core rewinds streams
        timeout = policy.timeout if self._settings["timeout"] is None else seconds("timeout", self._settings["timeout"])
        self._deadline = monotonic() + (timeout or DEFAULT_TIMEOUT)
        # Policies take their options out with the first attempt, but they are meant for each.
        self._options = {**options, "deadline": self._deadline}
        self._started = 0.0

    @property
    def _outcomes(self) -> Outcomes:
        return Outcomes.of(self._request.context)

    @property
    def is_over(self) -> bool:
        """Whether the deadline has passed, which a wait may have taken longer than it should to find out."""
        return monotonic() >= self._deadline

    def begin(self) -> None:
        """Start an attempt."""
        self._started = monotonic()
        context = self._request.context
        context.options.update(self._options)
        context["retry_count"] = len(self._settings["history"])

    def after_response(self, response: PipelineResponse[Any, Any]) -> float | None:
        """Return the seconds to wait for the next attempt, or None if this answer is the result."""
        http_response = response.http_response
        status = http_response.status_code
        if status < _BAD_REQUEST and not self._settings["history"]:
            return None
        self._outcomes.add(str(status), self._started)
        if status < _BAD_REQUEST:
            self._policy.update_context(response.context, self._settings)
            return None
        asked = self._retry_after(response)
        may_have_run = status >= HTTPStatus.INTERNAL_SERVER_ERROR and not _turned_away(status, asked)
        if may_have_run and not self._may_repeat(response.http_request):
            self._outcomes.note = _MAY_HAVE_RUN
        wait = None
        if self._worth_repeating(response, asked) and self._policy.increment(self._settings, response=response):
            wait = self._in_time(self._policy.get_backoff_time(self._settings) if asked is None else asked)
        if wait is None:
            self._settle(response)
        return wait

    def too_late(self, response: PipelineResponse[Any, Any]) -> bool:
        """Say whether the wait after this answer ended past the deadline, so that the answer is the result."""
        if self.is_over:
            self._settle(response)
            return True
        return False

    def _settle(self, response: PipelineResponse[Any, Any]) -> None:
        self._policy.update_context(response.context, self._settings)
        raise_helpfully(response)

    def _retry_after(self, response: PipelineResponse[Any, Any]) -> float | None:
        try:
            return self._policy.get_retry_after(response)
        except (AttributeError, TypeError, ValueError, OverflowError):
            return None  # what stands in the header is no time

    def after_error(self, error: AzureError) -> float | None:
        """Return the seconds to wait for the next attempt, or None if this error is the result."""
        self._outcomes.add(_outcome(error), self._started)
        request = self._request.http_request
        safe = self._may_repeat(request) or nothing_was_sent(error)
        refused_here = _is_refused_here(error, request.url)
        if refused_here:
            self._outcomes.note = _NOBODY_LISTENS
        wait = None
        if (
            safe
            and isinstance(error, (ServiceRequestError, *_LOST))
            and self._can_be_sent_again()
            # Waiting brings no program to this machine, but one that is just starting gets a second chance.
            and not (refused_here and self._settings["history"])
            and self._policy.increment(self._settings, response=self._request, error=error)
        ):
            wait = self._in_time(self._policy.get_backoff_time(self._settings))
        if wait is None:
            if not safe and isinstance(error, (ServiceRequestError, *_LOST)):
                self._outcomes.note = _MAY_HAVE_RUN
            self.explain(error)
        return wait

    def explain(self, error: AzureError) -> None:
        """Put into an error's message what each attempt got, and why there is no other."""
        if len(self._outcomes) > 1 or isinstance(error, (ServiceRequestError, *_LOST)):
            for line in self._outcomes.lines():
                extend(error, line)

    def _worth_repeating(self, response: PipelineResponse[Any, Any], asked: float | None) -> bool:
        if not self._settings["total"] or not self._can_be_sent_again():
            return False
        request = response.http_request
        if not self._may_repeat(request):
            return _turned_away(response.http_response.status_code, asked)
        settings = {**self._settings, "methods": {*self._settings["methods"], request.method.upper()}}
        return bool(self._policy.is_retry(settings, response))

    def _may_repeat(self, request: Any) -> bool:
        return self._may_repeat_sends or request.method.upper() in self._settings["methods"]

    def _can_be_sent_again(self) -> bool:
        # Our clients read streams and iterables into memory; this is what cannot be: asynchronous ones.
        return not hasattr(self._request.http_request.content, "__aiter__")

    def _in_time(self, wait: float) -> float | None:
        return wait if wait < self._deadline - monotonic() else None


def seconds(name: str, value: Any) -> float | None:
    """Return a timeout that a caller gave, None for none.

    :raises TypeError: if it is no number.
    :raises ValueError: if it is not above 0.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, not {type(value).__name__}")
    if not value > 0:
        raise ValueError(f"{name} must be a number of seconds above 0, not {value!r}")
    return min(float(value), _LONGEST)


def _is_refused_here(error: AzureError, url: str) -> bool:
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


def _turned_away(status: int, asked: float | None) -> bool:
    """Say whether an answer means that the service did not run the request: ``asked`` is its Retry-After."""
    return status == HTTPStatus.TOO_MANY_REQUESTS or (status == HTTPStatus.SERVICE_UNAVAILABLE and asked is not None)


def nothing_was_sent(error: AzureError) -> bool:
    """Say whether no byte of the request can have reached the service.

    A ServiceRequestError means that, but azure-core's own transports also raise it where they cannot know: for every
    error of aiohttp's, and for a TLS connection that breaks under requests. The classes of the cause tell them apart,
    by name, for the libraries may not be there.
    """
    if not isinstance(error, ServiceRequestError):
        return False
    cause: Any = error.inner_exception or error.__cause__
    names = _class_names(cause)
    if "RequestException" in names:  # of requests
        reason = _first(cause)
        reason = getattr(reason, "reason", reason)
        names |= _class_names(reason) | _class_names(_first(reason))
        return not names.isdisjoint(_BEFORE_SENDING)
    return "ClientError" not in names or not names.isdisjoint({"ClientConnectorError", "ConnectionTimeoutError"})


def _first(error: Any) -> Any:
    return error.args[0] if getattr(error, "args", None) else None


def _class_names(value: object) -> set[str]:
    return {kind.__name__ for kind in type(value).__mro__}


def _outcome(error: AzureError) -> str:
    if isinstance(error, IncompleteReadError):
        return "half an answer"
    if not isinstance(error, (ServiceRequestError, ServiceResponseError)):
        return type(error).__name__
    late = isinstance(error, (ServiceRequestTimeoutError, ServiceResponseTimeoutError))
    return ("no connection" if nothing_was_sent(error) else "no answer") + (" in time" if late else "")


class _Settings:
    """What both policies take besides azure-core's options."""

    retry_sends: bool

    def _take(self, options: dict[str, Any]) -> dict[str, Any]:
        self.retry_sends = bool(options.pop("retry_sends", False))
        options["timeout"] = seconds("timeout", options.get("timeout")) or DEFAULT_TIMEOUT
        return options

    def _is_read_error(self, err: Exception) -> bool:
        # An answer that broke off is a lost one to azure-core's transports, but not to its retry policy.
        return isinstance(err, _LOST)


class SendAwareRetryPolicy(_Settings, RetryPolicy[Any, Any]):
    """azure-core's retry policy, but a send is repeated only when it surely did not run.

    Belongs outside the redirect policy.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**self._take(options))

    def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        """Send the request, and again while that is right."""
        attempts = Attempts(self, request)
        transport: Any = request.context.transport
        while True:
            attempts.begin()
            try:
                response = self.next.send(request)
            except AzureError as error:
                wait = attempts.after_error(error)
                if wait is None:
                    raise
                if wait > 0:
                    transport.sleep(wait)
                if attempts.is_over:
                    attempts.explain(error)
                    raise
            else:
                wait = attempts.after_response(response)
                if wait is None:
                    return response
                if wait > 0:
                    transport.sleep(wait)
                if attempts.too_late(response):
                    return response
                response.http_response.close()


class AsyncSendAwareRetryPolicy(_Settings, AsyncRetryPolicy[Any, Any]):
    """azure-core's retry policy, but a send is repeated only when it surely did not run.

    Belongs outside the redirect policy.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**self._take(options))

    async def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        """Send the request, and again while that is right."""
        attempts = Attempts(self, request)
        transport: Any = request.context.transport
        while True:
            attempts.begin()
            try:
                response = await self.next.send(request)
            except AzureError as error:
                wait = attempts.after_error(error)
                if wait is None:
                    raise
                if wait > 0:
                    await transport.sleep(wait)
                if attempts.is_over:
                    attempts.explain(error)
                    raise
            else:
                wait = attempts.after_response(response)
                if wait is None:
                    return response
                if wait > 0:
                    await transport.sleep(wait)
                if attempts.too_late(response):
                    return response
                await response.http_response.close()
