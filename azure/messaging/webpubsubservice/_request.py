"""What every builder calls: path, query, headers and body become one ``HttpRequest``.

No I/O, and nothing of the caller's is changed. azure-core is imported with the first request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from . import _types as types
from ._body import Content, encode_body
from ._names import is_plain, name_list, segment, text, whole_number

DEFAULT_API_VERSION = "2024-12-01"
MOST_MINUTES = 2**31 - 1
QueryValue = str | int | bool | Iterable[str] | None

_KINDS = {"connectionId": "connection_id", "userId": "user_id"}
"""What the service's placeholders are called here, where it is something else."""

_NUMBERS = {
    "messageTtlSeconds": ("message_ttl_seconds", 0, 300),
    "minutesToExpire": ("minutes_to_expire", 1, MOST_MINUTES),
    "maxpagesize": ("maxpagesize", 1, 200),
    "top": ("top", 1, 2**31 - 1),
}
"""The numbers in the service's queries: what they are called here, and their limits."""
_LISTS = {"role": "roles", "group": "groups"}
# azure-core's libraries take 'params' percent-encoded: an escape in them is not escaped again.
_ENCODED = "%/?:@!$'()*+,;"


def build(
    method: str,
    template: str,
    path: tuple[str, ...] = (),
    query: Mapping[str, QueryValue] | None = None,
    body: tuple[Any, Content | None, str | None] | None = None,
    *,
    api_version: str | None = DEFAULT_API_VERSION,
    params: Mapping[str, QueryValue] | None = None,
    headers: Mapping[str, str] | None = None,
    template_url: str | None = None,
) -> types.HttpRequest:
    """Build a request.

    :param template: The path, with placeholders by the service's names.
    :param path: The names in the path, in the order of the placeholders.
    :param query: What the keywords of a builder ask for; what is None is left out.
    :param body: A builder's ``json``, ``content`` and ``content_type``, for which that of ``headers`` may stand in.
    """
    names = [part.partition("}")[0] for part in template.split("{")[1:]]
    segments = {name: segment(_KINDS.get(name, name), value) for name, value in zip(names, path, strict=True)}
    try:
        url = (template_url or template).format_map(segments)
    except KeyError as error:
        raise ValueError(f"template_url has the placeholder {error}; this request knows {sorted(names)}") from None
    asked = _query(query or {}, params or {}, api_version)
    if asked:
        url += ("&" if "?" in url else "?") + asked
    sent = {"Accept": "application/json", **{text(name): text(value) for name, value in (headers or {}).items()}}
    if body is None:
        return types.HttpRequest(method, url, headers=sent)
    json, content, content_type = body
    data, content_type = encode_body(json, content, content_type or content_type_of(headers))
    length = len(data.encode() if isinstance(data, str) else data)
    # azure-core's header mapping takes any letter case, and the last spelling wins.
    sent |= {"Content-Type": content_type, "Content-Length": str(length)}
    return types.HttpRequest(method, url, headers=sent, content=data)


def content_type_of(headers: Mapping[str, str] | None) -> str | None:
    """Return the content type among ``headers``, whose names may be in any letter case."""
    return next((value for name, value in (headers or {}).items() if name.lower() == "content-type"), None)


def _query(keywords: Mapping[str, QueryValue], params: Mapping[str, QueryValue], api_version: str | None) -> str:
    asked = {name: _checked(name, value) for name, value in keywords.items() if value is not None}
    more = {name: value for name, value in params.items() if value is not None and name not in asked}
    if api_version is not None and "api-version" not in map(str.lower, more):
        asked["api-version"] = api_version
    pairs = []
    for values, safe in ((more, _ENCODED), (asked, "")):
        for name, value in values.items():
            for each in [value] if isinstance(value, (str, int)) else value or ():
                written = str(each).lower() if isinstance(each, bool) else str(text(each)) if each is not None else ""
                pairs.append(f"{_quoted(text(name), safe)}={_quoted(written, safe)}")
    return "&".join(pairs)


def _quoted(value: str, safe: str) -> str:
    if is_plain(value):
        return value
    from urllib.parse import quote

    return quote(value, safe)


def _checked(name: str, value: Any) -> Any:
    """Return a value as the service's description has it: a number within its limits, a list of names, or text."""
    if name in _NUMBERS:
        return whole_number(value, *_NUMBERS[name])
    if name in _LISTS:
        return name_list(_LISTS[name], value)
    if name == "excluded":
        return [each for each in ([value] if isinstance(value, str) else value) if each != ""]
    return value


def membership(groups: Iterable[str], filter: str) -> dict[str, Any]:
    """Return the body of a bulk group request."""
    if not isinstance(filter, str):
        raise TypeError("filter must be an OData expression; to mean every connection of the hub say filter=''")
    names = name_list("groups", groups)
    if not names:
        raise ValueError("groups must name at least one group")
    return {"groups": names, "filter": filter}


def bulk_membership(groups: Any, filter: str | None, both: Any, name: str, content_type: str) -> tuple[Any, Any]:
    """Return groups and filter of a bulk group call, which may come in one mapping, or in a stream of it as JSON.

    :param groups: Names of the groups, or what ``both`` may be.
    :param name: What the caller calls ``both``.
    """
    if text(content_type).partition(";")[0].strip().lower() != "application/json":
        raise ValueError(f"content_type {content_type!r} is not the one that the service takes here: application/json")
    if both is None and (isinstance(groups, Mapping) or hasattr(groups, "read")):
        groups, both = None, groups
    if both is None:
        return groups or [], filter  # membership() says what is missing
    if groups is not None or filter is not None:
        raise TypeError(f"give groups and filter, or {name}, and not both")
    if hasattr(both, "read"):
        from json import loads

        both = loads(both.read())
    if not isinstance(both, Mapping):
        raise TypeError(f"{name} must be a mapping with 'groups' and 'filter', not {type(both).__name__}")
    return both.get("groups") or [], both.get("filter")
