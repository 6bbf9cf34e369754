"""The package's version, read by ``setup.py`` and sent in the User-Agent."""

VERSION = "2.0.0b1"
