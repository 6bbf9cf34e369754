"""Every way a REST call can fail, in the words and forms of the service (service facts, REST errors).

Two forms: the flat error, and the validation error, which mixes the flat one with RFC 7807. Rule: values and their JSON
text only; which error applies is decided where it is raised.
"""

from __future__ import annotations

import json
from typing import Any

BAD_REQUEST = "Error.BadRequest"


class ServiceError(Exception):
    """A refusal with a flat JSON body.

    :param int status: HTTP status.
    :param str code: Code, also sent as ``x-ms-error-code``.
    :param str message: What is wrong.
    :param str target: What it is wrong with.
    """

    #: Whether the answer carries ``api-supported-versions``.
    is_versioned: bool = True

    def __init__(self, status: int, code: str, message: str, target: str) -> None:
        super().__init__(message)
        self.status: int = status
        self.code: str = code
        self.message: str = message
        self.target: str = target

    def body(self) -> bytes:
        """Return the JSON text of the error."""
        return _dump(self._fields())

    def content_type(self, accept: str) -> str:
        """Return the media type for a caller that accepts ``accept``."""
        del accept
        return "application/json; charset=utf-8"

    def _fields(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message, "target": self.target, "details": None, "inner": None}


class ValidationError(ServiceError):
    """A parameter is missing or out of its bounds: status 400.

    :param str field: Name of the parameter.
    :param str message: What is wrong with it.
    """

    is_versioned = False

    def __init__(self, field: str, message: str) -> None:
        super().__init__(400, BAD_REQUEST, message, field)

    def content_type(self, accept: str) -> str:
        """Return ``application/problem+json`` unless the caller names ``text/json``, as recorded."""
        return ("application/json" if "text/json" in accept else "application/problem+json") + "; charset=utf-8"

    def _fields(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "message": self.message,
            "target": self.target,
            "errors": {self.target: [self.message]},
            "type": None,
            "title": "One or more validation errors occurred.",
            "status": self.status,
            "detail": None,
            "instance": None,
            "extensions": {},
        }


def connection_not_found(connection_id: str, severity: str = "Error") -> ServiceError:
    """Return the 404 for a connection that is not there."""
    code = f"{severity}.Connection.NotExisted"
    return ServiceError(404, code, f"Connection `{connection_id}` is not found.", "Connection")


def user_not_found(user_id: str) -> ServiceError:
    """Return the 404 for a user without a connection."""
    return ServiceError(404, "Warning.User.NotExisted", f"User `{user_id}` is not found.", "User")


def group_not_found(group: str) -> ServiceError:
    """Return the 404 for a group without a connection."""
    return ServiceError(404, "Warning.Group.NotExisted", f"Group `{group}` is not found.", "Group")


def _dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
