"""The command ``webpubsub``: run the emulator, send and watch messages, mint tokens, manage connections.

Each verb is a module that says what it takes, and imports what it needs when it runs. Nothing imports this package.
"""

from ._program import main, parser

__all__ = ["main", "parser"]
