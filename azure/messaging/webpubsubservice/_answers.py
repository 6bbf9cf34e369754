"""How the service's answers are read: pure functions from a response to a result.

What is no success is left to ``_errors``, which is imported when there is one; azure-core likewise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from . import _types as types

if TYPE_CHECKING:
    from ._configuration import Call

Page = tuple["str | None", "list[types.GroupMember]"]
"""The members of a page, and where the next one is: None after the last."""
T = TypeVar("T")
CODE_HEADER = "x-ms-error-code"
_OK = 200


def result_of(response: Any, call: Call, statuses: tuple[int, ...], read: Callable[[Any], T]) -> T:
    """Return the result of an operation from its PipelineResponse; raise an error for any other status."""
    http_response = response.http_response
    if http_response.status_code not in statuses:
        from ._errors import raise_for_status

        raise_for_status(http_response, response.context, call.error_map)
    result = read(http_response)
    if call.cls is not None:
        replaced: T = call.cls(response, result, {})
        return replaced
    return result


def nothing(response: Any) -> None:
    """Read an answer that says no more than its status."""


def healthy(response: Any) -> bool:
    """Read the answer to the health check."""
    return bool(response.status_code == _OK)


def exists(response: Any) -> bool:
    """Read 200 as True, and a 404 of the service as False; a proxy's has no ``x-ms-error-code``, and is an error."""
    if response.status_code == _OK:
        return True
    if CODE_HEADER not in response.headers:
        from ._errors import raise_for_status

        raise_for_status(response, {})
    return False


def token(response: Any) -> str:
    """Read a minted client access token."""
    return _read(response, lambda body: _text(body["token"]), "a token")


def generated(response: Any) -> types.GeneratedToken:
    """Read a minted token as the service's own answer."""
    return {"token": token(response)}


def page(response: Any) -> Page:
    """Read a page of connections: where the next page is, None after the last one, and the members.

    Of the service's ``nextLink`` only the query is used: no link can name the host that credentials are sent to.
    """
    return _read(response, _page, "a page of connections")


def _page(body: Any) -> Page:
    from urllib.parse import parse_qs, urlsplit

    members = []
    for each in body["value"]:
        user_id = None if each.get("userId") is None else _text(each["userId"])
        members.append(types.GroupMember(connection_id=_text(each["connectionId"]), user_id=user_id))
    link = body.get("nextLink")
    query = urlsplit(link).query if link else None
    if query is not None and "continuationToken" not in parse_qs(query):
        raise ValueError("nextLink has no continuationToken")
    return query, members


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("this must be text")
    return value


def _read(response: Any, read: Callable[[Any], T], wanted: str) -> T:
    """Return what ``read`` makes of an answer's JSON; raise an error that shows nothing of it: there may be a token."""
    try:
        return read(response.json())
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError):
        pass  # the error is made outside of the handler, and without the response, for it would show both
    from azure.core.exceptions import DecodeError

    error = DecodeError(message=f"the service's answer cannot be read: it is not {wanted}")
    error.status_code, error.reason = response.status_code, response.reason
    raise error
