"""Message metadata: the rules every way of giving it shares (service facts, Metadata).

Rule: mapping in, checked mapping out; how it travels is the business of the protocols and the routes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

HEADER_PREFIX = "x-webpubsub-metadata-"

_KEY = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]{1,256}", re.ASCII)
_MAX_VALUE = 1024
_MAX_TOTAL = 8192


class MetadataError(ValueError):
    """The metadata breaks a rule; the text says which."""


def check_metadata(metadata: Mapping[str, str]) -> Mapping[str, str]:
    """Return the metadata as it was given.

    :param metadata: Values by key.
    :raises MetadataError: if a key or a value is malformed or too long, or all of it is over 8,192 bytes.
    """
    total = 0
    for key, value in metadata.items():
        if not _KEY.fullmatch(key):
            raise MetadataError(f"The metadata key {key!r} is not 1 to 256 lower-case HTTP token characters.")
        if not value.isascii() or len(value) > _MAX_VALUE:
            raise MetadataError(f"The metadata value of {key!r} is not ASCII or longer than {_MAX_VALUE} characters.")
        total += len(key) + len(value)
    if total > _MAX_TOTAL:
        raise MetadataError(f"The metadata is larger than {_MAX_TOTAL} bytes.")
    return metadata


def metadata_from_headers(headers: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """Return what the ``X-WebPubSub-Metadata-*`` headers say: the last header wins, and its last comma part.

    :param headers: Pairs of name and value, names in any case.
    :raises MetadataError: if a key or a value breaks a rule.
    """
    found: dict[str, str] = {}
    for name, value in headers:
        lowered = name.lower()
        if lowered.startswith(HEADER_PREFIX):
            found[lowered.removeprefix(HEADER_PREFIX)] = value.rpartition(",")[2].strip()
    return check_metadata(found)
