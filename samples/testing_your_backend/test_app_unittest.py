"""The same with unittest: cd samples/testing_your_backend && python -m unittest."""

import json
import unittest

from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator
from fastapi.testclient import TestClient
from websockets.sync.client import connect

from app import create_app


class NewsTest(unittest.TestCase):
    def setUp(self):
        # An emulator starts in milliseconds: each test may have its own.
        self.emulator = WebPubSubEmulator()
        self.emulator.start()
        self.addCleanup(self.emulator.stop)
        self.backend = TestClient(create_app(self.emulator.connection_string))
        self.backend.__enter__()
        self.addCleanup(self.backend.__exit__, None, None, None)

    def test_readers_receive_the_news_of_their_topic(self):
        url = self.backend.get("/negotiate", params={"topic": "cats", "user": "ada"}).json()["url"]
        with connect(url) as browser:
            self.assertEqual(self.backend.post("/news/dogs", json={"text": "a bark"}).status_code, 202)
            self.assertEqual(self.backend.post("/news/cats", json={"text": "a purr"}).status_code, 202)
            self.assertEqual(json.loads(browser.recv(timeout=10)), {"topic": "cats", "text": "a purr"})

    def test_empty_news_are_not_sent(self):
        self.assertEqual(self.backend.post("/news/cats", json={"text": ""}).status_code, 422)
        self.assertEqual(self.emulator.record.sends, ())


if __name__ == "__main__":
    unittest.main()
