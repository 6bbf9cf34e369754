"""Retries that a publisher can reason about.

PUT, DELETE, HEAD and GET are repeated as azure-core repeats them. A POST, which is a send, is repeated only when it
surely did not run: nothing could be sent, the service throttled it (429), or it turned it away and said when to come
back (503 with Retry-After). Where it may have run (500, 502, 504, a lost answer) repeating could deliver a message
twice, so it is left to the caller, or to ``retry_sends=True``. One deadline holds over all attempts and the waits
between them.

``Attempts`` decides, without I/O; the two policies are the same loop with and without ``await``.
"""

from __future__ import annotations

from http import HTTPStatus
from time import monotonic
from typing import Any

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    ServiceRequestError,
    ServiceRequestTimeoutError,
    ServiceResponseError,
)
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import AsyncRetryPolicy, RetryPolicy

from ._errors import ATTEMPTS, describe_attempts, extend

DEFAULT_TIMEOUT = 30.0
DEFAULT_CONNECTION_TIMEOUT = 5.0
DEFAULT_READ_TIMEOUT = 10.0


class Attempts:
    """The attempts at one request: whether there is another, after how long a wait, and what the ones before got."""

    def __init__(self, policy: SendAwareRetryPolicy | AsyncSendAwareRetryPolicy, request: PipelineRequest[Any]) -> None:
        options = request.context.options
        self._policy = policy
        self._request = request
        self._may_repeat_sends = options.pop("retry_sends", policy.retry_sends)
        self._settings = policy.configure_retries(options)
        policy._configure_positions(request, self._settings)  # noqa: SLF001 - how azure-core rewinds streams
        timeout = self._settings["timeout"]
        self._deadline = monotonic() + (DEFAULT_TIMEOUT if timeout is None else timeout)
        # azure-core's transports have limits of their own, which are longer than the deadline.
        own = getattr(request.context.transport, "connection_config", None)
        self._limits = {
            "connection_timeout": options.get("connection_timeout", own.timeout if own else policy.connection_timeout),
            "read_timeout": options.get("read_timeout", own.read_timeout if own else policy.read_timeout),
        }
        self._started = 0.0
        self._made: list[tuple[str, float]] = []
        request.context[ATTEMPTS] = self._made

    def begin(self) -> None:
        """Start an attempt: no timeout of it may outlast the deadline.

        :raises ~azure.core.exceptions.ServiceRequestTimeoutError: if the deadline has passed before the first attempt.
        """
        self._started = monotonic()
        remaining = self._deadline - self._started
        if remaining <= 0:
            raise ServiceRequestTimeoutError(
                "the timeout has passed before the request could be sent: give a longer timeout"
            )
        self._request.context["retry_count"] = len(self._settings["history"])
        for name, limit in self._limits.items():
            if limit is None or limit > remaining:
                self._request.context.options[name] = remaining

    def after_response(self, response: PipelineResponse[Any, Any]) -> float | None:
        """Return the seconds to wait for the next attempt, or None if this answer is the result."""
        status = response.http_response.status_code
        self._made.append((str(status), monotonic() - self._started))
        if status < HTTPStatus.BAD_REQUEST:
            return None
        if not self._worth_repeating(response) or not self._policy.increment(self._settings, response=response):
            self._policy.update_context(response.context, self._settings)
            return None
        wait = self._retry_after(response)
        return self._in_time(self._policy.get_backoff_time(self._settings) if wait is None else wait)

    def _retry_after(self, response: PipelineResponse[Any, Any]) -> float | None:
        try:
            return self._policy.get_retry_after(response)
        except (AttributeError, TypeError, ValueError, OverflowError):
            return None  # what stands in the header is no time

    def after_error(self, error: AzureError) -> float | None:
        """Return the seconds to wait for the next attempt, or None if this error is the result."""
        self._made.append((type(error).__name__, monotonic() - self._started))
        safe = self._is_idempotent() or self._may_repeat_sends or nothing_was_sent(error)
        repeat = safe and isinstance(error, ServiceRequestError | ServiceResponseError)
        wait = None
        if repeat and self._policy.increment(self._settings, response=self._request, error=error):
            wait = self._in_time(self._policy.get_backoff_time(self._settings))
        if wait is None:
            extend(error, describe_attempts(self._made))
            if not safe and isinstance(error, ServiceResponseError):
                extend(error, "The request may have run, so it was not repeated (retry_sends=True repeats it).")
        return wait

    def _worth_repeating(self, response: PipelineResponse[Any, Any]) -> bool:
        status = response.http_response.status_code
        if not self._settings["total"]:
            return False
        if self._is_idempotent():
            return bool(self._policy.is_retry(self._settings, response))
        if self._may_repeat_sends:
            methods = {**self._settings, "methods": {*self._settings["methods"], response.http_request.method.upper()}}
            return bool(self._policy.is_retry(methods, response))
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            return "Retry-After" in response.http_response.headers
        return bool(status == HTTPStatus.TOO_MANY_REQUESTS)

    def _is_idempotent(self) -> bool:
        return self._request.http_request.method.upper() in self._settings["methods"]

    def _in_time(self, wait: float) -> float | None:
        return wait if monotonic() + wait < self._deadline else None


def nothing_was_sent(error: AzureError) -> bool:
    """Say whether no byte of the request can have reached the service.

    azure-core's aiohttp transport calls every error of aiohttp's a ServiceRequestError, also one after the request
    was sent; aiohttp's classes tell them apart, by name, for aiohttp may not be there.
    """
    if not isinstance(error, ServiceRequestError):
        return False
    cause = error.inner_exception or error.__cause__
    names = {kind.__name__ for kind in type(cause).__mro__}
    return "ClientConnectorError" in names or "ClientError" not in names


class _Settings:
    """What both policies take besides azure-core's options."""

    retry_sends: bool
    connection_timeout: float | None
    read_timeout: float | None

    def _take(self, options: dict[str, Any]) -> dict[str, Any]:
        self.retry_sends = options.pop("retry_sends", False)
        self.connection_timeout = options.pop("connection_timeout", DEFAULT_CONNECTION_TIMEOUT)
        self.read_timeout = options.pop("read_timeout", DEFAULT_READ_TIMEOUT)
        return {"timeout": DEFAULT_TIMEOUT, **options}


class SendAwareRetryPolicy(_Settings, RetryPolicy[Any, Any]):
    """azure-core's retry policy, but a send is repeated only when it surely did not run.

    Belongs outside the redirect policy.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**self._take(options))

    def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        """Send the request, and again while that is right."""
        attempts = Attempts(self, request)
        while True:
            attempts.begin()
            try:
                response = self.next.send(request)
            except ClientAuthenticationError:
                raise  # the credential could not get a token; asking again gives the same
            except AzureError as error:
                wait = attempts.after_error(error)
                if wait is None:
                    raise
            else:
                wait = attempts.after_response(response)
                if wait is None:
                    return response
                response.http_response.close()
            if wait > 0:
                transport: Any = request.context.transport
                transport.sleep(wait)


class AsyncSendAwareRetryPolicy(_Settings, AsyncRetryPolicy[Any, Any]):
    """azure-core's retry policy, but a send is repeated only when it surely did not run.

    Belongs outside the redirect policy.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**self._take(options))

    async def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        """Send the request, and again while that is right."""
        attempts = Attempts(self, request)
        while True:
            attempts.begin()
            try:
                response = await self.next.send(request)
            except ClientAuthenticationError:
                raise  # the credential could not get a token; asking again gives the same
            except AzureError as error:
                wait = attempts.after_error(error)
                if wait is None:
                    raise
            else:
                wait = attempts.after_response(response)
                if wait is None:
                    return response
                await response.http_response.close()
            if wait > 0:
                transport: Any = request.context.transport
                await transport.sleep(wait)
