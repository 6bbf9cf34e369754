import pytest
from fastapi.testclient import TestClient

from app import create_app

# Gives the fixtures webpubsub_emulator, which is as new for every test, and webpubsub_hub.
pytest_plugins = ["azure.messaging.webpubsubservice.emulator.pytest_plugin"]


@pytest.fixture
def backend(webpubsub_emulator, webpubsub_hub):
    with TestClient(create_app(webpubsub_emulator.connection_string, webpubsub_hub)) as client:
        yield client


@pytest.fixture
def url(backend):
    """Gives the URL that the backend gives to a reader's browser."""
    return lambda topic: backend.get("/negotiate", params={"topic": topic, "user": "ada"}).json()["url"]
