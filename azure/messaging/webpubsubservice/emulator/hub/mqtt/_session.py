"""One MQTT session: what it is subscribed to, what is under way both ways, and when it ends.

It outlives its sockets. Pure: the rules decide, this remembers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ._admission import Admitted
from ._outbox import Outbox
from ._packets import Publish, Will

_MAX_UNDER_WAY = 65535


@dataclass(frozen=True, slots=True)
class Options:
    """How a client is subscribed to a group."""

    qos: int
    no_local: bool = False
    identifier: int | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """How a client was lost: the packet that ended it, its own or the service's, if there was one.

    ``user_properties`` is None for a packet of the service.
    """

    reason: str = ""
    by_client: bool = False
    code: int | None = None
    user_properties: tuple[tuple[str, str], ...] | None = None


class MqttSession:
    """State of one session.

    :param str session_id: Id of the session.
    :param admitted: The CONNECT packet that began it.
    :param fits: Tells whether the client takes a message of this size; None if it takes any.
    """

    __slots__ = (
        "asked_expiry",
        "ending",
        "expiry",
        "fits",
        "is_online",
        "options",
        "outbox",
        "received",
        "session_ends",
        "session_id",
        "version",
        "will",
        "will_due",
    )

    def __init__(self, session_id: str, admitted: Admitted, fits: Callable[[Publish], bool] | None = None) -> None:
        self.session_id: str = session_id
        #: Subscriptions by topic; a group without an entry was joined in another way.
        self.options: dict[str, Options] = {}
        self.outbox: Outbox = Outbox(_MAX_UNDER_WAY)
        #: Identifiers of messages at QoS 2 that the client has not released yet.
        self.received: set[int] = set()
        self.ending: Ending = Ending()
        #: When the session ends and when its will is due; None while the client is there, or for never.
        self.session_ends: float | None = None
        self.will_due: float | None = None
        self.begin(admitted, fits)

    def begin(self, admitted: Admitted, fits: Callable[[Publish], bool] | None) -> None:
        """Take a CONNECT packet: the client is here, on a new socket.

        :param admitted: The packet.
        :param fits: Tells whether the client takes a message of this size; None if it takes any.
        """
        packet = admitted.packet
        self.version: int = packet.version
        self.is_online: bool = True
        self.expiry: float = admitted.expiry
        self.asked_expiry: int = packet.properties.session_expiry_interval or 0
        self.will: Will | None = packet.will
        self.fits: Callable[[Publish], bool] | None = fits
        self.outbox.receive_maximum = packet.properties.receive_maximum or _MAX_UNDER_WAY
        self.session_ends = self.will_due = None

    def lose(self, ending: Ending, now: float) -> None:
        """Learn that the client is gone; nothing may be due at once after that."""
        self.is_online = False
        self.ending = ending
        self.session_ends = now + self.expiry
        if self.will is not None:
            delay = self.will.properties.will_delay_interval or 0
            self.will_due = now + min(delay, self.expiry)

    @property
    def due(self) -> float | None:
        """When something is to happen by itself, or None."""
        if self.session_ends is None or self.will_due is None:
            return self.session_ends
        return min(self.session_ends, self.will_due)
