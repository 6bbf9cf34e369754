import logging

import pytest
from event_requests import KEY, OTHER_KEY, signature, user_event

from azure.messaging.webpubsubservice.eventhandler import WebPubSubEventHandler

GOOD = signature()
OLD = signature(key=OTHER_KEY)
BAD = "sha256=" + "0" * 64


def status(value, keys=KEY, **headers):
    handler = WebPubSubEventHandler(access_key=keys)
    method, known, body = user_event(**headers)
    pairs = [pair for pair in known.items() if pair[0] != "ce-signature"]
    values = value if isinstance(value, list) else [value]
    return handler.handle(method, pairs + [("ce-signature", each) for each in values], body).status


@pytest.mark.parametrize(
    "value",
    [
        GOOD,
        GOOD.upper(),
        f"{BAD},{GOOD}",
        f"{GOOD},{BAD}",
        f" {BAD} ,\t{GOOD} ",
        f"{BAD} {GOOD}",
        [BAD, GOOD],
        [GOOD, BAD],
    ],
)
def test_signature_that_matches_is_enough(value):
    assert status(value) == 200


@pytest.mark.parametrize("value", [GOOD, OLD, f"{OLD},{GOOD}", [OLD, GOOD]])
def test_signature_of_either_key_is_enough(value):
    assert status(value, keys=[KEY, OTHER_KEY]) == 200


@pytest.mark.parametrize(
    "value",
    [
        [],
        "",
        ",",
        BAD,
        OLD,
        GOOD[7:],
        GOOD[:-1],
        GOOD + "0",
        "sha1=" + GOOD[7:],
        signature("conn2"),
        "sha256=ü",
        "sha256=\U0001f600",
    ],
)
def test_signature_that_is_missing_or_wrong_is_401(value):
    assert status(value) == 401


def test_signature_covers_the_connection_id():
    assert status(GOOD, ce_connectionId="conn2") == 401
    assert status(signature("conn2"), ce_connectionId="conn2") == 200


def test_signature_is_checked_before_anything_is_parsed():
    assert status(BAD, ce_type="nonsense", ce_connectionState="%%%") == 401
    assert status(GOOD, ce_type="nonsense") == 400


def test_signature_of_a_connection_string_is_checked():
    handler = WebPubSubEventHandler(connection_string=f"Endpoint=https://a.example;AccessKey={OTHER_KEY};")
    assert handler.handle(*user_event(ce_signature=OLD)).status == 200
    assert handler.handle(*user_event(ce_signature=GOOD)).status == 401


@pytest.mark.parametrize("options", [{}, {"access_key": KEY}])
def test_signature_is_not_asked_for_when_that_is_said_which_the_log_tells(options, caplog):
    handler = WebPubSubEventHandler(verify_signatures=False, **options)
    assert handler.handle(*user_event(ce_signature=None)).status == 200
    assert handler.handle(*user_event(ce_signature=BAD)).status == 200
    (record,) = caplog.records
    assert (record.levelname, record.name) == ("WARNING", "azure.messaging.webpubsubservice.eventhandler")
    assert record.getMessage().startswith("verify_signatures=False: events are taken without a signature")


def test_refused_signature_says_why_and_shows_no_secret(caplog):
    handler = WebPubSubEventHandler(access_key=KEY)
    with caplog.at_level(logging.DEBUG):
        response = handler.handle(*user_event(ce_signature=BAD))
    assert response.body == b"ce-signature is missing, or not made with an access key of this handler"
    assert response.headers == {"Content-Type": "text/plain; charset=utf-8"}
    assert KEY not in caplog.text
    assert GOOD not in caplog.text
