"""The errors of failed answers: azure-core's classes, with what the status alone leaves users guessing.

``error.error.code`` and ``error.error.message`` hold the service's own words, also where only the header
``x-ms-error-code`` carries them.
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from time import time
from typing import Any, NoReturn
from urllib.parse import urlsplit

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ODataV4Format,
    ResourceExistsError,
    ResourceNotFoundError,
    ResourceNotModifiedError,
)

from ._answers import CODE_HEADER

ATTEMPTS = "webpubsub_attempts"
"""Where the retry policy keeps, in the pipeline's context, what each attempt got and how long it took."""

_ERRORS: dict[int, type[HttpResponseError]] = {
    HTTPStatus.NOT_MODIFIED: ResourceNotModifiedError,
    HTTPStatus.UNAUTHORIZED: ClientAuthenticationError,
    HTTPStatus.NOT_FOUND: ResourceNotFoundError,
    HTTPStatus.CONFLICT: ResourceExistsError,
}
_CLOCK_TOLERANCE = 60


def raise_for_status(response: Any, error_map: Mapping[int, type[HttpResponseError]] | None = None) -> NoReturn:
    """Raise azure-core's error for a PipelineResponse, with a hint.

    :raises ~azure.core.exceptions.HttpResponseError: always.
    """
    http_response = response.http_response
    status = http_response.status_code
    kind = {**_ERRORS, **(error_map or {})}.get(status, HttpResponseError)
    error = kind(message=f"{status} {http_response.reason or ''}".strip(), response=http_response)
    code = http_response.headers.get(CODE_HEADER)
    if error.error is None and code:
        error.error = ODataV4Format({"code": code, "message": f"{code} (the answer had no body)"})
        extend(error, f"Code: {code}")
    hint = _hint(status, http_response.headers)
    if hint:
        extend(error, hint)
    attempts = response.context.get(ATTEMPTS) or []
    if len(attempts) > 1:
        extend(error, describe_attempts(attempts))
    raise error


def raise_not_from_service(http_response: Any) -> NoReturn:
    """Raise the error for a 404 that something on the way to the service gave.

    :raises ~azure.core.exceptions.ResourceNotFoundError: always.
    """
    parts = urlsplit(http_response.request.url)
    raise ResourceNotFoundError(
        message=f"404 without {CODE_HEADER} is not from Azure Web PubSub, so it does not say whether this exists:"
        f" check the endpoint, and any proxy on the way to {parts.scheme}://{parts.netloc}{parts.path}",
        response=http_response,
    )


def extend(error: AzureError, line: str) -> None:
    """Add a line to an error's message."""
    error.message = f"{error.message.rstrip()}\n{line}"
    error.args = (error.message, *error.args[1:])


def describe_attempts(attempts: list[tuple[str, float]]) -> str:
    """Say in one line what each attempt got and how long it took."""
    each = ", ".join(f"{outcome} after {seconds:.1f} s" for outcome, seconds in attempts)
    return f"{len(attempts)} attempt{'' if len(attempts) == 1 else 's'}: {each}"


def _hint(status: int, headers: Mapping[str, str]) -> str | None:
    if status == HTTPStatus.UNAUTHORIZED:
        return _clock_hint(headers.get("Date")) or (
            "Check that the access key belongs to this endpoint and was not regenerated"
            " (the service mints tokens for Entra ID callers only)."
        )
    if status == HTTPStatus.FORBIDDEN:
        return (
            "The identity may lack the role 'Web PubSub Service Owner' on the resource"
            " ('Web PubSub Service Reader' is enough for reading); a new role takes some minutes to work."
        )
    if status == HTTPStatus.NOT_FOUND and CODE_HEADER not in headers:
        return f"Without {CODE_HEADER} this is not the service's answer: check the endpoint and any proxy on the way."
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return "The service takes messages of up to 1 MB: split the message, or send a link to it."
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        wait = headers.get("Retry-After")
        return f"The service is throttling and asks to wait {wait} s." if wait else "The service is throttling."
    return None


def _clock_hint(date: str | None) -> str | None:
    try:
        difference = time() - parsedate_to_datetime(date or "").timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
    if abs(difference) <= _CLOCK_TOLERANCE:
        return None
    side = "ahead of" if difference > 0 else "behind"
    return f"The clock of this machine is {abs(difference):.0f} s {side} the service's; tokens carry times, so set it."
