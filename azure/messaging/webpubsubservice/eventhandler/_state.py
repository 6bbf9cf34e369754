"""The connection state in its wire form: base64 of a JSON object, as the service's official handlers write it.

The service keeps the text as it is and sends it with every later event; merging is the handler's business.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ._bodies import InvalidEventError, parse_json


def decode_states(values: Sequence[str]) -> dict[str, Any]:
    """Read the ``ce-connectionState`` header.

    :param values: The value of the header, or none.
    :raises InvalidEventError: if the text is not base64 of a JSON object
    """
    if not values:
        return {}
    try:
        raw = base64.b64decode(values[0], validate=True)
    except (binascii.Error, ValueError):
        raise InvalidEventError("ce-connectionState is not base64") from None
    states = parse_json(raw, "utf-8", "ce-connectionState")
    if not isinstance(states, dict):
        raise InvalidEventError("ce-connectionState is not a JSON object")
    return states


def encode_states(states: Mapping[str, Any]) -> str:
    """Write a ``ce-connectionState`` header.

    :raises TypeError: if a value is not a JSON value
    :raises ValueError: if a value is not a JSON value: NaN, infinity, or a structure that holds itself
    """
    text = json.dumps(dict(states), separators=(",", ":"), allow_nan=False)
    return base64.b64encode(text.encode()).decode()
