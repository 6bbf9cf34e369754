"""What can be the name of a hub, a group or a user event: the service's rules, in this one place.

Rule: pure, and no words for a refusal, which differ from caller to caller.
"""

from __future__ import annotations

import re

_HUB = re.compile(r"[A-Za-z][A-Za-z0-9_`,.[\]]{0,127}", re.ASCII)
_EVENT = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,127}", re.ASCII)
_MAX_GROUP = 1024


def is_hub(name: str) -> bool:
    """Return True for what can be the name of a hub."""
    return _HUB.fullmatch(name) is not None


def is_group(name: object) -> bool:
    """Return True for what can be the name of a group."""
    return isinstance(name, str) and bool(name.strip()) and len(name) <= _MAX_GROUP


def is_event(name: str) -> bool:
    """Return True for what can be the name of a user event."""
    return _EVENT.fullmatch(name) is not None
