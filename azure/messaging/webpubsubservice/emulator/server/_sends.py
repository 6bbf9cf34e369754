"""What the record notes of a message that the service was given to send: by REST, in a frame, in an MQTT packet."""

from __future__ import annotations

from .._record import RecordedSend
from ..hub import _events as on
from ..hub._frames import SendToGroup


def send_of_rest(hub: str, event: on.Publish) -> RecordedSend:
    """Return the entry for a send by REST."""
    return RecordedSend(
        hub,
        event.payload.data,
        event.payload.type,
        event.audience.group,
        event.audience.user_id,
        event.audience.connection_id,
        event.audience.excluded,
        event.ttl_seconds,
        event.metadata,
    )


def send_of_client(hub: str, connection_id: str, frame: SendToGroup) -> RecordedSend:
    """Return the entry for a client's message to a group."""
    return RecordedSend(
        hub,
        frame.payload.data,
        frame.payload.type,
        group=frame.group,
        ttl_seconds=frame.ttl_seconds or 0,
        metadata=frame.metadata,
        sender=connection_id,
    )


def send_of_mqtt(hub: str, effect: on.Published) -> RecordedSend:
    """Return the entry for an MQTT client's message to a group."""
    return RecordedSend(
        hub,
        effect.message.payload.data,
        effect.message.payload.type,
        group=effect.message.group,
        ttl_seconds=effect.ttl_seconds,
        sender=effect.connection_id,
    )
