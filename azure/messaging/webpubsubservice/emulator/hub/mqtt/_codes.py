"""The codes by which MQTT says what went wrong, and what is left of them in MQTT 3.1.1."""

from __future__ import annotations

from ._packets import MQTT_5

SUCCESS = 0x00
WITH_WILL = 0x04
NO_SUBSCRIPTION = 0x11
UNSPECIFIED = 0x80
MALFORMED = 0x81
PROTOCOL_ERROR = 0x82
BAD_VERSION = 0x84
BAD_CLIENT_ID = 0x85
BAD_CREDENTIALS = 0x86
NOT_AUTHORIZED = 0x87
UNAVAILABLE = 0x88
SHUTTING_DOWN = 0x8B
BAD_AUTH_METHOD = 0x8C
KEEP_ALIVE_TIMEOUT = 0x8D
TAKEN_OVER = 0x8E
BAD_TOPIC_FILTER = 0x8F
BAD_TOPIC = 0x90
UNKNOWN_PACKET_ID = 0x92
RECEIVE_MAXIMUM = 0x93
BAD_TOPIC_ALIAS = 0x94
TOO_LARGE = 0x95
QUOTA = 0x97
ADMINISTRATIVE = 0x98
NO_RETAIN = 0x9A
NO_SHARED = 0x9E
NO_WILDCARDS = 0xA2

FAILURE = 0x80  # and every code above it

_CONNACK_5 = frozenset({*range(0x80, 0x8B), 0x8C, 0x90, 0x95, 0x97, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F})
_CONNACK_3 = frozenset(range(1, 6))
_UNAVAILABLE_3 = 3
_HTTP_UNAUTHORIZED, _HTTP_CLIENT_ERROR = 401, 4
_TO_3 = {BAD_VERSION: 1, BAD_CLIENT_ID: 2, UNAVAILABLE: 3, BAD_CREDENTIALS: 4, NOT_AUTHORIZED: 5}


def connack_code(code: int, version: int) -> int | None:
    """Return the CONNACK code for a code of 5.0, None if the version has none for it: it is closed without a word."""
    return code if version == MQTT_5 else _TO_3.get(code)


def refusal_code(code: int | None, status: int, version: int) -> int:
    """Return the CONNACK code for a refusal by the event handler.

    :param code: The code that the handler gave, of the client's version, or None.
    :param int status: The status that it answered.
    :param int version: Version of the client.
    """
    if code is not None:
        if version == MQTT_5:
            return code if code in _CONNACK_5 else UNSPECIFIED
        return code if code in _CONNACK_3 else _UNAVAILABLE_3
    if status == _HTTP_UNAUTHORIZED:
        code = NOT_AUTHORIZED
    elif status // 100 == _HTTP_CLIENT_ERROR:
        code = BAD_CREDENTIALS
    else:
        code = UNAVAILABLE
    return code if version == MQTT_5 else _TO_3[code]
