"""What browsers receive from the backend, with pytest: python -m pytest samples/testing_your_backend."""

import pytest
from azure.messaging.webpubsubservice.emulator import ClientRefusedError, RestFault


def test_readers_receive_the_news_of_their_topic(backend, connect):
    with connect("cats") as browser:
        assert backend.post("/news/dogs", json={"text": "a bark"}).status_code == 202
        assert backend.post("/news/cats", json={"text": "a purr"}).status_code == 202
        # A message that should not come needs no waiting for: it would have come before this one.
        assert browser.receive_json() == {"topic": "cats", "text": "a purr"}


def test_empty_news_are_not_sent(backend, webpubsub_emulator):
    assert backend.post("/news/cats", json={"text": ""}).status_code == 422
    assert webpubsub_emulator.record.sends == ()


def test_backend_says_when_the_service_fails(backend, connect, webpubsub_emulator):
    webpubsub_emulator.inject(RestFault(status=500))
    with connect("cats") as browser:
        assert backend.post("/news/cats", json={"text": "lost"}).status_code == 502
        assert backend.post("/news/cats", json={"text": "sent"}).status_code == 202
        assert browser.receive_json()["text"] == "sent"


def test_questions_are_answered(backend, connect):
    with connect("cats", user="ada") as browser:
        for text in ("a purr", "a meow"):
            backend.post("/news/cats", json={"text": text})
            assert browser.receive_json()["text"] == text
        browser.send_text("cats")
        assert browser.receive_text() == "ada, there were 2 about cats"


def test_readers_without_a_name_are_refused(connect):
    with pytest.raises(ClientRefusedError) as refused, connect("cats", user=""):
        pass
    assert refused.value.status == 401
