"""What a connection may do in groups: roles at connect, grants and revokes at run time.

Pure state of one connection; who asks and what is answered are the hub's business. Roles give default and pattern
rules, and a set of literal rules, names allowed or denied one by one, lies on top of them (service
facts, Roles and permissions).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias, get_args

from ._patterns import ANY, MAX_NAME_LENGTH, WILDCARDS, Pattern, parse_tokens

__all__ = ["MAX_LITERAL_RULES", "Permission", "Permissions", "TooManyRules"]

Permission: TypeAlias = Literal["joinLeaveGroup", "sendToGroup"]

#: For the state of groups (preview): by roles only.
StatePermission: TypeAlias = Literal["setGroupState", "getGroupState"]

MAX_LITERAL_RULES = 1000
MAX_PATTERNS = 10

_ROLE_PREFIX = "webpubsub."


class TooManyRules(Exception):  # noqa: N818 - a refusal (409), not a defect
    """The connection has as many literal rules for the permission as the service keeps."""

    def __init__(self) -> None:
        super().__init__(f"The connection has {MAX_LITERAL_RULES} permission rules; revoke some before granting more.")


class Permissions:
    """Rules of one connection.

    :param roles: Roles from the token or the ``connect`` event; unknown and invalid ones are ignored.
    :type roles: ~collections.abc.Iterable[str]
    """

    __slots__ = ("_rules",)

    def __init__(self, roles: Iterable[str] = ()) -> None:
        # Hardly any client has roles for states: those rules are made with the first one.
        self._rules: dict[Permission | StatePermission, _Rules] = {name: _Rules() for name in get_args(Permission)}
        for role in roles:
            self._add_role(role)

    @classmethod
    def from_roles(cls, roles: Iterable[str]) -> Permissions:
        """Return the permissions that the roles give."""
        return cls(roles)

    def __repr__(self) -> str:
        return f"<Permissions {self._rules!r}>"

    def allows(self, permission: Permission | StatePermission, group: str) -> bool:
        """Return True if the connection may use the permission on the group."""
        rules = self._rules.get(permission)
        return rules is not None and rules.allows(group)

    def has(self, permission: Permission, group: str | None = None) -> bool:
        """Return True if the connection may use the permission on the group; without one, on every group."""
        rules = self._rules[permission]
        return rules.allows_all() if group is None else rules.allows(group)

    def exceptions(self, permission: Permission) -> Mapping[str, bool]:
        """Return the groups that were allowed (True) or denied one by one, whatever the roles say of all groups."""
        return self._rules[permission].literals

    def grant(self, permission: Permission, group: str | None = None) -> None:
        """Allow the permission on the group; without one, on all groups, which ends earlier exceptions.

        :raises TooManyRules: if there are 1,000 literal rules already.
        """
        self._rules[permission].set(group, allowed=True)

    def revoke(self, permission: Permission, group: str | None = None) -> None:
        """Deny the permission on the group, whatever role gave it; without one, on all groups.

        :raises TooManyRules: if there are 1,000 literal rules already.
        """
        self._rules[permission].set(group, allowed=False)

    def _add_role(self, role: str) -> None:
        if not role.startswith(_ROLE_PREFIX):
            return
        # Everything after the second dot is the name, dots included.
        action, dot, name = role.removeprefix(_ROLE_PREFIX).partition(".")
        if action in get_args(StatePermission):
            _add_literal(self._rules.setdefault(action, _Rules()), name if dot else None)  # type: ignore[arg-type]
            return
        for permission in get_args(Permission):
            if action == permission:
                _add_literal(self._rules[permission], name if dot else None)
            elif action == permission + "s" and dot:
                _add_pattern(self._rules[permission], name)


def missing_role(permission: Permission, group: str) -> str:
    """Return the narrowest role that would allow the permission on the group, for a log line."""
    return f"{_ROLE_PREFIX}{permission}.{group}"


def _add_literal(rules: _Rules, name: str | None) -> None:
    if name is not None and not 0 < len(name) <= MAX_NAME_LENGTH:
        return
    try:
        rules.set(name, allowed=True, keep=True)
    except TooManyRules:
        return


def _add_pattern(rules: _Rules, text: str) -> None:
    tokens = parse_tokens(text)
    if tokens is None:
        return
    if tokens == [ANY]:
        rules.set(None, allowed=True, keep=True)
    elif not any(token in WILDCARDS for token in tokens):
        _add_literal(rules, "".join(token[-1] for token in tokens))
    elif len(rules.patterns) < MAX_PATTERNS:
        rules.patterns = (*rules.patterns, Pattern(tokens))


class _Rules:
    """Rules for one permission: the default, the patterns, and the literal rules above both."""

    __slots__ = ("default", "literals", "patterns")

    def __init__(self) -> None:
        self.default = False
        self.patterns: tuple[Pattern, ...] = ()
        self.literals: dict[str, bool] = {}

    def __repr__(self) -> str:
        return f"(default={self.default}, patterns={len(self.patterns)}, literals={self.literals})"

    def allows(self, group: str) -> bool:
        literal = self.literals.get(group)
        return self._by_role(group) if literal is None else literal

    def allows_all(self) -> bool:
        return self.default and all(self.literals.values())

    def set(self, group: str | None, *, allowed: bool, keep: bool = False) -> None:
        if group is None:
            self.default = allowed
            self.literals.clear()
            if not keep:
                self.patterns = ()
        elif self._by_role(group) is allowed:
            self.literals.pop(group, None)
        elif group in self.literals or len(self.literals) < MAX_LITERAL_RULES:
            self.literals[group] = allowed
        else:
            raise TooManyRules

    def _by_role(self, group: str) -> bool:
        return self.default or any(pattern.matches(group) for pattern in self.patterns)
