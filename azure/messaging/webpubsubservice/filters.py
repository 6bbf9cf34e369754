"""OData filter text in which no value can change the filter's meaning."""

from __future__ import annotations

from string import Formatter

from . import _names

__all__ = ["FilterValue", "odata"]

FilterValue = str | int | bool | None


def odata(template: str, /, **values: FilterValue) -> str:
    """Return a filter with each ``{name}`` in the template replaced by the value of that name, quoted by its type.

    Example::

        from azure.messaging.webpubsubservice.filters import odata

        text = odata("userId ne {user} and {room} in groups", user="ada", room="a'b")
        assert text == "userId ne 'ada' and 'a''b' in groups"

    :param str template: The filter; write ``{{`` and ``}}`` for braces.
    :keyword values: One value for each placeholder: a str, an int, a bool or None (``null``).
    :raises TypeError: if a value is of another type.
    :raises ValueError: if a placeholder has no value or a value no placeholder, or a placeholder is not a plain name.
    """
    try:
        pieces = list(Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"template is broken: {error}; write '{{{{' and '}}}}' for braces") from None
    parts: list[str] = []
    for literal, name, spec, conversion in pieces:
        parts.append(literal)
        if name is None:
            continue
        if not name.isidentifier() or spec or conversion:
            raise ValueError(
                f"template has the placeholder {name!r}; a placeholder is a plain name, such as '{{user}}'"
            )
        if name not in values:
            raise ValueError(f"template needs a value for '{{{name}}}': odata(..., {name}=...)")
        parts.append(_literal(name, values[name]))
    unused = sorted(values.keys() - {name for _, name, _, _ in pieces})
    if unused:
        raise ValueError(f"template has no placeholder for {', '.join(unused)}")
    return "".join(parts)


def _literal(name: str, value: FilterValue) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, str):
        return "'" + str(_names.text(value)).replace("'", "''") + "'"
    raise TypeError(f"{name} must be a str, an int, a bool or None, not {type(value).__name__}")
