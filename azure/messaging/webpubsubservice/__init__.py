"""Client library for Azure Web PubSub: send messages, manage groups, mint client URLs."""

from ._version import VERSION

__all__: list[str] = []
__version__ = VERSION
