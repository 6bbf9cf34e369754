"""The errors of failed answers: azure-core's classes, with what the status alone leaves users guessing.

``error.error.code`` and ``error.error.message`` hold the service's own words, also where only the header
``x-ms-error-code`` carries them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus
from time import monotonic, time
from typing import Any, NoReturn

from azure.core import exceptions
from azure.core.exceptions import AzureError, HttpResponseError, ODataV4Format

from ._answers import CODE_HEADER
from ._logging import redact
from ._pickling import let_be_pickled

SIGNED_WITH = "webpubsub_signed_with"
"""Where a pipeline's context holds what its request was signed with: ``KEY`` or ``ENTRA``; nothing for other hosts."""
KEY, ENTRA = "access key", "Entra ID"
_OUTCOMES = "webpubsub_outcomes"
_ERRORS: dict[int, type[HttpResponseError]] = {
    HTTPStatus.NOT_MODIFIED: exceptions.ResourceNotModifiedError,
    HTTPStatus.UNAUTHORIZED: exceptions.ClientAuthenticationError,
    HTTPStatus.NOT_FOUND: exceptions.ResourceNotFoundError,
    HTTPStatus.CONFLICT: exceptions.ResourceExistsError,
}
# What to look at, by the status of an answer and what its request was signed with.
_HINTS: dict[tuple[int, str | None], str] = {
    (HTTPStatus.UNAUTHORIZED, KEY): "Check that the access key belongs to this endpoint and was not regenerated.",
    (HTTPStatus.UNAUTHORIZED, ENTRA): "Check that the identity is of the resource's tenant, and that the token is for"
    " https://webpubsub.azure.com (credential_scopes).",
    (HTTPStatus.FORBIDDEN, KEY): "The resource may not take access keys, or not from this machine's address: look at"
    " its settings.",
    (HTTPStatus.FORBIDDEN, ENTRA): "The identity may lack the role 'Web PubSub Service Owner' on the resource ('Web"
    " PubSub Service Reader' is enough for reading); a new role takes some minutes to work.",
}
_CLOCK_TOLERANCE = 60
_MOST_WORDS = 2048

let_be_pickled(*(kind for kind in vars(exceptions).values() if isinstance(kind, type) and issubclass(kind, AzureError)))


class Outcomes(list[tuple[str, float, float]]):
    """What each attempt at a request got, when it began and when it ended; kept in the pipeline's context."""

    note: str | None = None
    """Why there was no further attempt, if that is worth a line."""

    @classmethod
    def of(cls, context: Any) -> Outcomes:
        """Return those of a pipeline's context."""
        found: Outcomes = context.setdefault(_OUTCOMES, cls())
        return found

    def add(self, what: str, started: float) -> None:
        """Note the end of an attempt that started at a time of the monotonic clock."""
        self.append((what, started, monotonic()))

    def tell(self, error: AzureError) -> None:
        """Put them into an error's message."""
        number = "1 attempt" if len(self) == 1 else f"{len(self)} attempts in {self[-1][2] - self[0][1]:.1f} s"
        extend(error, f"{number}: " + ", ".join(f"{what} after {ended - begun:.1f} s" for what, begun, ended in self))
        if self.note is not None:
            extend(error, self.note)


def raise_for_status(
    http_response: Any, context: Any, error_map: Mapping[int, Callable[..., Any]] | None = None
) -> NoReturn:
    """Raise azure-core's error for an HTTP response, with a hint, or what the caller's ``error_map`` makes of it."""
    status = http_response.status_code
    chosen = (error_map or {}).get(status)
    if chosen is not None:
        error = chosen(response=http_response)
    else:
        kind, message = _ERRORS.get(status, HttpResponseError), f"{status} {http_response.reason or ''}".strip()
        try:
            error = kind(message=message, response=http_response)
        except RecursionError:  # azure-core has read a body that it cannot show
            error = kind(message=message)
            error.response, error.status_code, error.reason = http_response, status, http_response.reason
    if isinstance(error, HttpResponseError):
        _hide_tokens(error)
        if error.response is not None:
            _tell(error, error.response, context)
    raise error


def raise_helpfully(response: Any) -> None:
    """Let the ``raise_for_status`` of a PipelineResponse's HTTP response say what an operation's error would."""
    kept = {name: value for name, value in response.context.items() if name in (_OUTCOMES, SIGNED_WITH)}
    response.http_response.raise_for_status = partial(raise_for_status, response.http_response, kept)


def _tell(error: HttpResponseError, http_response: Any, context: Any) -> None:
    """Put into an error what the service's words leave out."""
    code = http_response.headers.get(CODE_HEADER)
    if error.error is None and code:
        words = _text(http_response)[:_MOST_WORDS] or f"{code} (the answer had no body)"
        error.error = ODataV4Format({"code": code, "message": words})
        extend(error, f"Code: {code}\nMessage: {words}")
    for line in _hints(http_response.status_code, http_response.headers, context.get(SIGNED_WITH)):
        extend(error, line)
    outcomes = Outcomes.of(context)
    if len(outcomes) > 1 or outcomes.note:
        outcomes.tell(error)


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


def _hints(status: int, headers: Mapping[str, str], signed_with: str | None) -> Iterator[str]:
    said, date, wait = (headers.get(name) for name in ("WWW-Authenticate", "Date", "Retry-After"))
    if status == HTTPStatus.UNAUTHORIZED and said:
        yield f"The service says: {redact(said[:_MOST_WORDS])}"
    hint = (status == HTTPStatus.UNAUTHORIZED and _clock_hint(date)) or _HINTS.get((status, signed_with))
    if hint:
        yield hint
    elif status == HTTPStatus.NOT_FOUND and CODE_HEADER not in headers:
        yield f"Without {CODE_HEADER} this is not from Azure Web PubSub: check the endpoint, and any proxy on the way."
    elif status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        yield "The service takes messages of up to 1 MB: split the message, or send a link to it."
    elif status == HTTPStatus.TOO_MANY_REQUESTS:
        yield f"The service is throttling{f' (Retry-After: {wait[:100]})' if wait else ''}."


def _clock_hint(date: str | None) -> str | None:
    try:
        difference = time() - parsedate_to_datetime(date or "").timestamp()
    except (TypeError, ValueError, OverflowError, OSError):
        return None
    if abs(difference) <= _CLOCK_TOLERANCE:
        return None
    side = "ahead of" if difference > 0 else "behind"
    return f"The clock of this machine is {abs(difference):.0f} s {side} the service's; tokens carry times, so set it."
