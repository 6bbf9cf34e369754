"""A REST request and its answer as values, and how the parts of a request are read and judged.

Rule: no hub, no socket. A reading function returns a checked value or raises the service's own error.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

from ..hub._filter import FilterError, FilterSubject, parse_filter
from ..hub._frames import Payload
from ..hub._json_text import check_json
from ..hub._names import is_group, is_hub
from ._errors import BAD_REQUEST, ServiceError, ValidationError

MAX_BODY = 1024 * 1024
MAX_PAGE = 200
INVALID_GROUP = "Invalid group name. Valid group name should be in between 1 and 1024 characters long."

_API_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(-preview)?", re.ASCII)
_ENCODED_SLASH = re.compile(r"%2[fF]")
_MAX_QUERY_FIELDS = 10_000
_MAX_TOKEN = 2048
_MAX_INT32 = 2**31 - 1
# Not every codec of Python: some take a long time over a megabyte of the wrong bytes.
_CHARSETS = frozenset(
    {"utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "ascii", "iso8859-1", "cp1252"}
)


@dataclass(frozen=True, slots=True)
class RestRequest:
    """One REST request. ``target`` is path and query as they were sent; header names are in lower case.

    ``body`` is None when its length was not stated, was too large, or when it did not come.
    """

    method: str
    target: str
    headers: Sequence[tuple[str, str]] = ()
    body: bytes | None = b""

    def header(self, name: str) -> str | None:
        """Return the last header of that name, or None."""
        return next((value for key, value in reversed(self.headers) if key == name), None)

    @property
    def raw_path(self) -> str:
        """Path as it was sent."""
        return self.target.partition("?")[0]

    @property
    def path(self) -> str:
        """Path with its escapes decoded, but for encoded slashes."""
        return "/".join(decode_segment(segment) for segment in self.raw_path.split("/"))


@dataclass(frozen=True, slots=True)
class RestResponse:
    """The answer to a REST request; ``content_type`` None means that there is no body."""

    status: int
    body: bytes = b""
    content_type: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    chunked: bool = False


def decode_segment(segment: str) -> str:
    """Return a path segment as the service reads it: an encoded slash stays encoded, as does what is not UTF-8."""
    kept = _ENCODED_SLASH.sub(lambda match: "%25" + match.group()[1:], segment)
    try:
        return unquote(kept, errors="strict")
    except UnicodeDecodeError:
        return segment


class Query:
    """The query of a request: names in any case, values possibly repeated."""

    def __init__(self, target: str) -> None:
        text = target.partition("?")[2]
        try:
            pairs = parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=_MAX_QUERY_FIELDS)
        except ValueError:
            raise ServiceError(400, BAD_REQUEST, "The query has too many parameters.", "Request") from None
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name.lower(), []).append(value)

    def all(self, name: str) -> list[str]:
        """Return every value of a parameter."""
        return self._values.get(name.lower(), [])

    def one(self, name: str) -> str | None:
        """Return the first value of a parameter, or None."""
        values = self.all(name)
        return values[0] if values else None

    def single(self, name: str) -> str | None:
        """Return the only value of a parameter, or None; repeated or blank is an error."""
        values = self.all(name)
        if len(values) > 1 or (values and not values[0].strip()):
            raise ValidationError(name, f"The value '{', '.join(values)}' is not valid.")
        return values[0] if values else None

    def integer(self, name: str, least: int, most: int = _MAX_INT32) -> int | None:
        """Return a parameter as an integer within its bounds, or None."""
        text = self.single(name)
        if text is None:
            return None
        if not re.fullmatch(r"[+-]?\d{1,10}", text.strip(), re.ASCII):
            raise ValidationError(name, f"The value '{text}' is not valid.")
        if not least <= int(text) <= most:
            raise ValidationError(name, f"The field {name} must be between {least} and {most}.")
        return int(text)

    def api_version(self) -> str | None:
        """Return the api-version, or None; any well-formed one will do."""
        values = self.all("api-version")
        if len(values) > 1 or (values and not _API_VERSION.fullmatch(values[0])):
            raise ServiceError(400, BAD_REQUEST, f"The api-version '{', '.join(values)}' is not valid.", "Request")
        return values[0] if values else None

    def matches(self) -> Callable[[FilterSubject], bool] | None:
        """Return what the ``filter`` chooses by, or None for everyone."""
        return check_filter(self.one("filter"), "filter")

    def continuation_token(self) -> str | None:
        """Return the ``continuationToken``, or None."""
        token = self.single("continuationToken")
        if token is not None and len(token) > _MAX_TOKEN:
            raise ValidationError("continuationToken", "The continuation token is too long.")
        return token


def check_filter(text: str | None, target: str) -> Callable[[FilterSubject], bool] | None:
    """Return what the filter chooses by, or None for an empty one, which chooses everyone."""
    if not text:
        return None
    try:
        return parse_filter(text).matches
    except FilterError as error:
        raise ValidationError(target, str(error)) from None


def check_hub(name: str) -> str:
    """Return a hub's name in lower case, which is how the service compares it."""
    if not is_hub(name):
        raise ValidationError(
            "hub", "Invalid hub name. It begins with a letter and has 1 to 128 letters, digits or _`,.[] in all."
        )
    return name.lower()


def check_group(name: str) -> str:
    """Return the name of a group."""
    if not is_group(name):
        raise ValidationError("group", INVALID_GROUP)
    return name


def media_type(request: RestRequest) -> tuple[str, str]:
    """Return the media type of a body and its charset, both in lower case; no header means bytes."""
    kind, _, parameters = (request.header("content-type") or "application/octet-stream").partition(";")
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return kind.strip().lower(), value.strip().strip('"').lower()
    return kind.strip().lower(), "utf-8"


def read_body(request: RestRequest) -> bytes:
    """Return the body of a request that has to have one."""
    if request.body is None:
        raise ServiceError(400, BAD_REQUEST, "Invalid Content-Length header", "Request")
    return request.body


def read_payload(request: RestRequest) -> Payload:
    """Return the message in the body of a send."""
    body = read_body(request)
    kind, charset = media_type(request)
    if kind == "application/octet-stream":
        return Payload("binary", body)
    if kind not in ("application/json", "text/plain"):
        raise _unsupported(kind)
    try:
        known = codecs.lookup(charset).name
    except LookupError:
        known = ""
    if known not in _CHARSETS:
        raise _unsupported(f"{kind}; charset={charset}")
    if kind == "text/plain":
        return Payload("text", body.decode(known, "replace").encode("utf-8"))
    return Payload("json", read_json(body, known))


def read_json(body: bytes, charset: str = "utf-8") -> bytes:
    """Return a JSON body in UTF-8."""
    try:
        return check_json(body if charset == "utf-8" else body.decode(charset).encode("utf-8"))
    except ValueError:
        raise ServiceError(400, BAD_REQUEST, "The request body is not valid JSON.", "Request") from None


def require_json(request: RestRequest) -> bytes:
    """Return the JSON body of a call that takes nothing else."""
    kind, _ = media_type(request)
    if kind not in ("application/json", "text/json"):
        raise _unsupported(kind)
    return read_json(read_body(request))


def _unsupported(kind: str) -> ServiceError:
    message = (
        f"The content type '{kind}' is not supported: send application/json, text/plain or application/octet-stream."
    )
    return ServiceError(415, "Error.UnsupportedMediaType", message, "Content-Type")
