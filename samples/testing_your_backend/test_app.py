"""What browsers receive from the backend, with pytest: python -m pytest samples/testing_your_backend."""

import json

import pytest
from azure.messaging.webpubsubservice.emulator import EventHandler, RestFault, WebPubSubEmulator
from fastapi.testclient import TestClient
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from app import create_app


def test_readers_receive_the_news_of_their_topic(backend, url):
    with connect(url("cats")) as browser:
        assert backend.post("/news/dogs", json={"text": "a bark"}).status_code == 202
        assert backend.post("/news/cats", json={"text": "a purr"}).status_code == 202
        # A message that should not come needs no waiting for: it would have come before this one.
        assert json.loads(browser.recv(timeout=10)) == {"topic": "cats", "text": "a purr"}


def test_empty_news_are_not_sent(backend, webpubsub_emulator):
    assert backend.post("/news/cats", json={"text": ""}).status_code == 422
    assert webpubsub_emulator.record.sends == ()


def test_backend_says_when_the_service_fails(backend, url, webpubsub_emulator):
    webpubsub_emulator.inject(RestFault(status=500))
    with connect(url("cats")) as browser:
        assert backend.post("/news/cats", json={"text": "lost"}).status_code == 502
        assert backend.post("/news/cats", json={"text": "sent"}).status_code == 202
        assert json.loads(browser.recv(timeout=10))["text"] == "sent"


@pytest.fixture
def backend_with_events():
    """Gives the backend with an emulator that sends it the events of its clients, in this process."""

    async def app(scope, receive, send):
        await backend(scope, receive, send)  # made below, for it needs the connection string

    events = EventHandler("/eventhandler/", app=app, system_events=["connect"])
    with WebPubSubEmulator(event_handlers={"news": events}) as emulator:
        backend = create_app(emulator.connection_string)
        with TestClient(backend) as client:
            yield client


def test_questions_are_answered(backend_with_events):
    token = backend_with_events.get("/negotiate", params={"topic": "cats", "user": "ada"}).json()
    with connect(token["url"]) as browser:
        for text in ("a purr", "a meow"):
            backend_with_events.post("/news/cats", json={"text": text})
            assert json.loads(browser.recv(timeout=10))["text"] == text
        browser.send("cats")
        assert browser.recv(timeout=10) == "ada, there were 2 about cats"


def test_readers_without_a_name_are_refused(backend_with_events):
    token = backend_with_events.get("/negotiate", params={"topic": "cats", "user": ""}).json()
    with pytest.raises(InvalidStatus) as refused:
        connect(token["url"])
    assert refused.value.response.status_code == 401
