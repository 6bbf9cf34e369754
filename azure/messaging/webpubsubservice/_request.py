"""What every builder calls: path, query, headers and body become one ``HttpRequest``.

No I/O, and nothing of the caller's is changed. azure-core is imported with the first request.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from . import _types as types
from ._body import UNSET, Content, encode_body
from ._names import name_list, segment, text

DEFAULT_API_VERSION = "2024-12-01"

QueryValue = str | int | bool | Iterable[str] | None

# The placeholders of a URL template, which are the service's words, and the kind of name each takes.
_PLACEHOLDERS = {
    "hub": "hub",
    "group": "group",
    "connectionId": "connection_id",
    "userId": "user_id",
    "permission": "permission",
}


_UNRESERVED = re.compile(r"[A-Za-z0-9_.~-]*")

# The numbers of the service's description, by their names in the query: what they are called here, and their limits.
_NUMBERS: dict[str, tuple[str, int, int]] = {
    "messageTtlSeconds": ("message_ttl_seconds", 0, 300),
    "minutesToExpire": ("minutes_to_expire", 1, 2**31 - 1),
    "maxpagesize": ("maxpagesize", 1, 200),
    "top": ("top", 1, 2**31 - 1),
}
_LISTS = {"role": "roles", "group": "groups"}


def build(
    method: str,
    template: str,
    path: Mapping[str, str],
    query: Mapping[str, QueryValue] | None = None,
    *,
    api_version: str | None = DEFAULT_API_VERSION,
    params: Mapping[str, QueryValue] | None = None,
    headers: Mapping[str, str] | None = None,
    template_url: str | None = None,
) -> types.HttpRequest:
    """Build the request for ``method`` on the template filled in from ``path``, without a body.

    :raises ~msrest.exceptions.ValidationError: if the service allows no such name.
    :raises ValueError: if a name cannot be addressed, or the template has an unknown placeholder.
    """
    url = _url(template_url or template, path, query, params, api_version)
    return types.HttpRequest(method, url, headers={"Accept": "application/json", **_as_text(headers)})


def build_send(
    template: str,
    path: Mapping[str, str],
    query: Mapping[str, QueryValue],
    *,
    json: Any = UNSET,
    content: Content | None = None,
    content_type: str | None = None,
    api_version: str | None = DEFAULT_API_VERSION,
    params: Mapping[str, QueryValue] | None = None,
    headers: Mapping[str, str] | None = None,
    template_url: str | None = None,
) -> types.HttpRequest:
    """Build the POST that carries a body; the content type of ``headers`` counts where no other is given.

    :raises ~msrest.exceptions.ValidationError: if the service allows no such name.
    :raises ValueError: if a name cannot be addressed, or both or neither of ``json`` and ``content`` are given.
    :raises TypeError: if the body is of no type that can be sent.
    """
    url = _url(template_url or template, path, query, params, api_version)
    body, content_type = encode_body(json, content, content_type or content_type_of(headers))
    length = len(body.encode() if isinstance(body, str) else body)
    described = {"Content-Type": content_type, "Content-Length": str(length)}
    # azure-core's header mapping takes any letter case, and the last spelling wins.
    return types.HttpRequest(
        "POST", url, headers={"Accept": "application/json", **_as_text(headers), **described}, content=body
    )


def _as_text(headers: Mapping[str, str] | None) -> dict[str, str]:
    return {text(name): text(value) for name, value in (headers or {}).items()}


def content_type_of(headers: Mapping[str, str] | None) -> str | None:
    """Return the content type among ``headers``, whose names may be in any letter case."""
    return next((value for name, value in (headers or {}).items() if name.lower() == "content-type"), None)


def _url(
    template: str,
    path: Mapping[str, str],
    query: Mapping[str, QueryValue] | None,
    params: Mapping[str, QueryValue] | None,
    api_version: str | None,
) -> str:
    try:
        url = template.format_map({name: segment(_PLACEHOLDERS[name], value) for name, value in path.items()})
    except KeyError as error:
        raise ValueError(f"template_url has the placeholder {error}; this request knows {sorted(path)}") from None
    asked = {name: _asked(name, value) for name, value in (query or {}).items() if value is not None}
    more = {name: value for name, value in (params or {}).items() if name not in asked}
    pairs = [f"{_quoted(name, '/')}={_quoted(value, _QUOTED)}" for name, value in _pairs(more)]
    pairs += [f"{name}={_quoted(value, '')}" for name, value in _pairs(asked)]
    if api_version is not None and not any(name.lower() == "api-version" for name in more):
        pairs.append(f"api-version={_quoted(text(api_version), '')}")
    if not pairs:
        return url
    return f"{url}{'&' if '?' in url else '?'}{'&'.join(pairs)}"


# azure-core's libraries take 'params' percent-encoded: an escape in them is not escaped again.
_QUOTED = "%/?:@!$'()*+,;"


def _quoted(value: str, safe: str) -> str:
    value = text(value)
    if _UNRESERVED.fullmatch(value):
        return value
    from urllib.parse import quote

    return quote(value, safe=safe)


def _asked(name: str, value: QueryValue) -> QueryValue:
    """Return a value as the service's description has it: a number within its limits, a list of names, or text."""
    if name == "excluded":
        return [text(each) for each in ([value] if isinstance(value, str) else value) if each != ""]  # type: ignore[union-attr]
    if name in _LISTS:
        return name_list(_LISTS[name], value)  # type: ignore[arg-type]  # it says so itself
    if name not in _NUMBERS:
        return text(value)  # type: ignore[no-any-return]
    shown, least, most = _NUMBERS[name]
    wanted = f"{shown} must be a whole number from {least} to {most}, not {value!r}"
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(wanted)
    if not least <= value <= most:
        raise ValueError(wanted)
    return int(value)  # a member of an enumeration is its number


def _pairs(query: Mapping[str, QueryValue]) -> Iterator[tuple[str, str]]:
    for name, value in query.items():
        if value is None:
            continue
        if isinstance(value, bool):
            yield name, str(value).lower()
        elif isinstance(value, (str, int)):
            yield name, str(text(value))
        else:
            for item in value:
                yield name, "" if item is None else str(text(item))


def membership(groups: Iterable[str], filter: str) -> dict[str, Any]:
    """Return the body of a bulk group request.

    :raises TypeError: if ``filter`` is not text: the service would take its absence for every connection of the hub.
    :raises ValueError: if there are no groups.
    """
    if not isinstance(filter, str):
        raise TypeError(
            f"filter must be an OData expression, not {type(filter).__name__};"
            f" to mean every connection of the hub say filter=''"
        )
    names = name_list("groups", groups)
    if not names:
        raise ValueError("groups must name at least one group")
    return {"groups": names, "filter": filter}


def bulk_membership(groups: Any, filter: str | None, both: Any, name: str, content_type: str) -> tuple[list[str], str]:
    """Return groups and filter of a bulk group call, which may come in one mapping.

    :param groups: Names of the groups, or what ``both`` may be.
    :param both: The mapping, or a stream of it as JSON.
    :param name: What the caller calls ``both``.
    :raises TypeError: if both ways are used, or it is no mapping.
    :raises ValueError: if the content type is another one.
    """
    if text(content_type).partition(";")[0].strip().lower() != "application/json":
        raise ValueError(
            f"content_type {content_type!r} is not one that the service takes here: it is application/json"
        )
    if both is not None and (groups is not None or filter is not None):
        raise TypeError(f"give groups and filter, or {name}, and not both")
    if both is None and (isinstance(groups, Mapping) or hasattr(groups, "read")):
        both = groups
    if both is None:
        return groups or [], filter  # type: ignore[return-value]  # membership() says what is missing
    if hasattr(both, "read"):
        from json import loads

        both = loads(both.read())
    if not isinstance(both, Mapping):
        raise TypeError(f"{name} must be a mapping with 'groups' and 'filter', not {type(both).__name__}")
    return both.get("groups") or [], both.get("filter")  # type: ignore[return-value]  # likewise
