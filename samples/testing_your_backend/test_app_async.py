"""The same in async tests, here of anyio, which comes with FastAPI; pytest-asyncio will do as well."""

import httpx2
import pytest

from app import create_app

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def test_readers_receive_the_news_of_their_topic(webpubsub_emulator_async, webpubsub_hub):
    emulator = webpubsub_emulator_async  # runs in the loop of this test
    app = create_app(emulator.connection_string, webpubsub_hub)
    async with (
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://backend") as backend,
        emulator.connect(webpubsub_hub, "ada", groups=["cats"]) as ada,
        emulator.connect(webpubsub_hub, "bob", groups=["dogs"]) as bob,
    ):
        for topic, text in (("dogs", "a bark"), ("cats", "a purr")):
            assert (await backend.post(f"/news/{topic}", json={"text": text})).status_code == 202
        assert await ada.receive_json() == {"topic": "cats", "text": "a purr"}
        assert await bob.receive_json() == {"topic": "dogs", "text": "a bark"}
