"""The errors of failed answers: azure-core's classes, with what the status alone leaves users guessing.

``error.error.code`` and ``error.error.message`` hold the service's own words, also where only the header
``x-ms-error-code`` carries them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from time import monotonic, time
from typing import Any, NoReturn
from urllib.parse import urlsplit

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    IncompleteReadError,
    ODataV4Format,
    ResourceExistsError,
    ResourceNotFoundError,
    ResourceNotModifiedError,
    ServiceRequestError,
    ServiceRequestTimeoutError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)

from ._answers import CODE_HEADER
from ._logging import redact
from ._pickling import let_be_pickled

SIGNED_WITH = "webpubsub_signed_with"
"""Where a pipeline's context holds what its request was signed with: ``KEY`` or ``ENTRA``; nothing for other hosts."""
KEY, ENTRA = "access key", "Entra ID"
_CREDENTIAL_HINTS = {
    KEY: "Check that the access key belongs to this endpoint and was not regenerated.",
    ENTRA: "Check that the identity is of the resource's tenant, and that the token is for"
    " https://webpubsub.azure.com (credential_scopes).",
}
_OUTCOMES = "webpubsub_outcomes"
_ERRORS: dict[int, type[HttpResponseError]] = {
    HTTPStatus.NOT_MODIFIED: ResourceNotModifiedError,
    HTTPStatus.UNAUTHORIZED: ClientAuthenticationError,
    HTTPStatus.NOT_FOUND: ResourceNotFoundError,
    HTTPStatus.CONFLICT: ResourceExistsError,
}
_CLOCK_TOLERANCE = 60
let_be_pickled(HttpResponseError, *_ERRORS.values(), DecodeError, IncompleteReadError)
let_be_pickled(ServiceRequestError, ServiceRequestTimeoutError, ServiceResponseError, ServiceResponseTimeoutError)
_MOST_WORDS = 2048


class Outcomes:
    """What each attempt at a request got, and how long it took; the retry policy keeps it in the pipeline's context."""

    __slots__ = ("_made", "note")

    def __init__(self) -> None:
        self._made: list[tuple[str, float, float]] = []
        self.note: str | None = None
        """Why there was no further attempt, if that is worth a line."""

    @classmethod
    def of(cls, context: Any) -> Outcomes:
        """Return those of a pipeline's context, made when they are first asked for."""
        found: Outcomes | None = context.get(_OUTCOMES)
        if found is None:
            found = context[_OUTCOMES] = cls()
        return found

    def add(self, what: str, started: float) -> None:
        """Note the end of an attempt that started at a time of the monotonic clock."""
        self._made.append((what, started, monotonic()))

    def __len__(self) -> int:
        return len(self._made)

    def lines(self) -> list[str]:
        """Say it, for an error."""
        each = ", ".join(f"{what} after {ended - started:.1f} s" for what, started, ended in self._made)
        if len(self) == 1:
            line = f"1 attempt: {each}"
        else:
            line = f"{len(self)} attempts in {self._made[-1][2] - self._made[0][1]:.1f} s: {each}"
        return [line] if self.note is None else [line, self.note]


def raise_for_status(response: Any, error_map: Mapping[int, Callable[..., Any]] | None = None) -> NoReturn:
    """Raise azure-core's error for a PipelineResponse, with a hint, or what the caller's ``error_map`` makes of it.

    :raises ~azure.core.exceptions.HttpResponseError: always, unless the caller chose another.
    """
    http_response = response.http_response
    chosen = (error_map or {}).get(http_response.status_code)
    if chosen is None:
        raise _error(_ERRORS.get(http_response.status_code, HttpResponseError), http_response, response.context)
    error = chosen(response=http_response)
    if isinstance(error, HttpResponseError):
        _tell(error, response.context)
    raise error


def raise_helpfully(response: Any) -> None:
    """Let the ``raise_for_status`` of a PipelineResponse's HTTP response say what an operation's error would."""
    response.http_response.raise_for_status = _RaiseForStatus(response.http_response, response.context)


class _RaiseForStatus:
    """Takes the place of the method of one response, whose status is that of an error."""

    def __init__(self, http_response: Any, context: Any) -> None:
        self._http_response = http_response
        self._context = {name: context[name] for name in (_OUTCOMES, SIGNED_WITH) if name in context}

    def __call__(self) -> None:
        """Raise the error.

        :raises ~azure.core.exceptions.HttpResponseError: always.
        """
        raise _error(HttpResponseError, self._http_response, self._context)


def _error(kind: type[HttpResponseError], http_response: Any, context: Any) -> HttpResponseError:
    status = http_response.status_code
    message = f"{status} {http_response.reason or ''}".strip()
    try:
        error = kind(message=message, response=http_response)
    except RecursionError:  # azure-core has read a body that it cannot show
        error = kind(message=message)
        error.response, error.status_code, error.reason = http_response, status, http_response.reason
    _tell(error, context)
    return error


def _tell(error: HttpResponseError, context: Any) -> None:
    """Put into an error what the service's words leave out, and leave out what nobody may see, or read to the end."""
    http_response: Any = error.response
    _hide_tokens(error)
    if http_response is None:
        return
    code = http_response.headers.get(CODE_HEADER)
    if error.error is None and code:
        words = _text(http_response)[:_MOST_WORDS] or f"{code} (the answer had no body)"
        error.error = ODataV4Format({"code": code, "message": words})
        extend(error, f"Code: {code}\nMessage: {words}")
    for line in _hints(http_response.status_code, http_response.headers, context.get(SIGNED_WITH)):
        extend(error, line)
    outcomes = Outcomes.of(context)
    if len(outcomes) > 1 or outcomes.note:
        for line in outcomes.lines():
            extend(error, line)


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


def _hide_tokens(error: HttpResponseError) -> None:
    """Take tokens out of an error's message, and out of the body of its answer, which its text may show."""
    error.message, error.exc_msg = redact(error.message[:_MOST_WORDS]), redact(error.exc_msg[:_MOST_WORDS])
    error.args = (error.message, *error.args[1:])
    if error.error is not None and isinstance(error.error.message, str):
        error.error.message = redact(error.error.message[:_MOST_WORDS])
    body = _text(error.response)[: 4 * _MOST_WORDS]
    redacted = redact(body)
    if error.error is None and redacted != body:
        # An error of the service's in this place keeps azure-core from showing the body itself.
        error.error = ODataV4Format({"message": redacted[:_MOST_WORDS]})
        extend(error, f"Content: {redacted[:_MOST_WORDS]}")


def _text(http_response: Any) -> str:
    try:
        return str(http_response.text())
    except (AttributeError, AzureError, LookupError, RuntimeError, ValueError):
        return ""  # there is none, or it was not read


def extend(error: AzureError, line: str) -> None:
    """Add a line to an error's message."""
    error.message = f"{error.message.rstrip()}\n{line}"
    error.args = (error.message, *error.args[1:])


def _hints(status: int, headers: Mapping[str, str], signed_with: str | None) -> list[str]:
    if status == HTTPStatus.UNAUTHORIZED:
        said = headers.get("WWW-Authenticate")
        hint = _clock_hint(headers.get("Date")) or _CREDENTIAL_HINTS.get(signed_with or "")
        return [*([f"The service says: {redact(said[:_MOST_WORDS])}"] if said else []), *([hint] if hint else [])]
    if status == HTTPStatus.FORBIDDEN:
        return [
            "The resource may not take access keys, or not from this machine's address: look at its settings."
            if signed_with == KEY
            else "The identity may lack the role 'Web PubSub Service Owner' on the resource"
            " ('Web PubSub Service Reader' is enough for reading); a new role takes some minutes to work."
        ]
    if status == HTTPStatus.NOT_FOUND and CODE_HEADER not in headers:
        return [f"Without {CODE_HEADER} this is not the service's answer: check the endpoint and any proxy on the way."]
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return ["The service takes messages of up to 1 MB: split the message, or send a link to it."]
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        wait = headers.get("Retry-After")
        return [f"The service is throttling (Retry-After: {wait[:100]})." if wait else "The service is throttling."]
    return []


def _clock_hint(date: str | None) -> str | None:
    try:
        difference = time() - parsedate_to_datetime(date or "").timestamp()
    except (TypeError, ValueError, OverflowError, OSError):
        return None
    if abs(difference) <= _CLOCK_TOLERANCE:
        return None
    side = "ahead of" if difference > 0 else "behind"
    return f"The clock of this machine is {abs(difference):.0f} s {side} the service's; tokens carry times, so set it."
