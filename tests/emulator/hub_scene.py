"""A hub, fed by hand, for tests of its rules."""

from azure.messaging.webpubsubservice.emulator.hub import _events as on
from azure.messaging.webpubsubservice.emulator.hub._frames import Payload
from azure.messaging.webpubsubservice.emulator.hub._hub import Hub

JSON = "json.webpubsub.azure.v1"
RELIABLE = "json.reliable.webpubsub.azure.v1"
HELLO = Payload("text", b"hello")
ALL_ROLES = ("webpubsub.sendToGroup", "webpubsub.joinLeaveGroup")
NOW = 1000.0


class Scene:
    """A hub with helpers that keep the tests short."""

    def __init__(self, **options):
        self.hub = Hub("chat", **options)
        self.now = NOW

    def do(self, event):
        return self.hub.handle(event, self.now)

    def open(self, name, protocol=JSON, **fields):
        token = f"token-{name}" if protocol == RELIABLE else None
        return self.do(on.Open(name, protocol, reconnection_token=token, **fields))

    def frame(self, name, frame):
        return self.do(on.Received(name, frame))

    def publish(self, payload=HELLO, ttl=0, **audience):
        return self.do(on.Publish(on.Audience(**audience), payload, ttl))


def receivers(effects):
    """The connections that got a message, whatever the effect."""
    found = []
    for effect in effects:
        if isinstance(effect, on.Deliver):
            found += effect.to
        elif isinstance(effect, on.DeliverInSequence):
            found += [name for name, _ in effect.to]
    return sorted(found)
