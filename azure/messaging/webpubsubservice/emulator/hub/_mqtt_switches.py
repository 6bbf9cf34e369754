"""What sources disagree on, or do not say, of MQTT clients: the emulator's choices, each with its switch."""

from __future__ import annotations

from typing import NamedTuple


class MqttSwitches(NamedTuple):
    """Choices for the MQTT clients of a hub."""

    #: Whether ``_`` and ``-`` may stand in client ids, which the documents allow letters and digits only.
    lenient_client_ids: bool = False
    #: Whether a client needs the role to publish to an event's topic.
    events_need_role: bool = False
    #: Whether metadata of messages goes to MQTT 5.0 clients as user properties.
    metadata_as_user_properties: bool = False
    #: QoS of a group that a client is in without having subscribed: by its token, the connect event or REST.
    default_qos: int = 1
