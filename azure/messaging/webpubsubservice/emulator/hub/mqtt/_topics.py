"""What the service makes of topics: a topic is a group, but for those that begin ``$webpubsub/``."""

from __future__ import annotations

from .._names import is_event, is_group
from . import _codes as codes

SERVER_MESSAGES = "$webpubsub/server/messages"
_RESERVED = "$webpubsub/"
_EVENTS = "$webpubsub/server/events/"
_OUTCOMES = ("succeeded", "failed")
_SHARED = "$share/"


def event_of(topic: str) -> str | None:
    """Return the event that is raised by publishing to a topic, or None."""
    name = topic.removeprefix(_EVENTS)
    return name if topic.startswith(_EVENTS) and is_event(name) else None


def answer_topic(event: str, *, failed: bool) -> str:
    """Return the topic on which the answer to an event goes to its client."""
    return f"{_EVENTS}{event}/{_OUTCOMES[failed]}"


def is_public(topic: str) -> bool:
    """Return True for a topic that is a group."""
    return is_group(topic) and not topic.startswith(_RESERVED)


def is_from_service(topic: str) -> bool:
    """Return True for a topic on which only the service speaks, and to whoever it concerns."""
    event, slash, outcome = topic.removeprefix(_EVENTS).rpartition("/")
    is_answer = topic.startswith(_EVENTS) and bool(slash) and outcome in _OUTCOMES and is_event(event)
    return is_answer or topic == SERVER_MESSAGES


def filter_fault(topic: str) -> int | None:
    """Return the code for a topic nobody can subscribe to, None for one that can be."""
    if topic.startswith(_SHARED):
        return codes.NO_SHARED
    if has_wildcard(topic):
        return codes.NO_WILDCARDS
    return None if is_public(topic) or is_from_service(topic) else codes.BAD_TOPIC_FILTER


def has_wildcard(topic: str) -> bool:
    """Return True for a topic that stands for many."""
    return "+" in topic or "#" in topic
