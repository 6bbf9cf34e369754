import pytest
from azure.messaging.webpubsubservice.emulator import EventHandler
from fastapi.testclient import TestClient

from app import create_app

# Gives webpubsub_emulator, which is as new for every test, webpubsub_emulator_async and webpubsub_hub.
pytest_plugins = ["azure.messaging.webpubsubservice.emulator.pytest_plugin"]


@pytest.fixture
def backend(webpubsub_emulator, webpubsub_hub):
    app = create_app(webpubsub_emulator.connection_string, webpubsub_hub)
    # The emulator sends the events of its clients to the backend, without a port or a tunnel.
    events = EventHandler("/eventhandler", app=app, system_events=["connect"])
    webpubsub_emulator.add_event_handler(webpubsub_hub, events)
    with TestClient(app) as client:
        yield client


@pytest.fixture
def connect(backend, webpubsub_emulator):
    """Connects a reader's browser, with the URL that the backend gives it."""

    def open_browser(topic, user="ada"):
        answer = backend.get("/negotiate", params={"topic": topic, "user": user})
        return webpubsub_emulator.connect(answer.json()["url"])

    return open_browser
