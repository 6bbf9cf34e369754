"""The same with unittest: cd samples/testing_your_backend && python -m unittest."""

import unittest

from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator
from fastapi.testclient import TestClient

from app import create_app


class NewsTest(unittest.TestCase):
    def setUp(self):
        # An emulator starts in milliseconds: each test may have its own.
        self.emulator = WebPubSubEmulator()
        self.emulator.start()
        self.addCleanup(self.emulator.stop)
        self.backend = TestClient(create_app(self.emulator.connection_string))
        self.addCleanup(self.backend.close)

    def test_readers_receive_the_news_of_their_topic(self):
        with self.emulator.connect("news", groups=["cats"]) as browser:
            self.assertEqual(self.backend.post("/news/dogs", json={"text": "a bark"}).status_code, 202)
            self.assertEqual(self.backend.post("/news/cats", json={"text": "a purr"}).status_code, 202)
            self.assertEqual(browser.receive_json(), {"topic": "cats", "text": "a purr"})

    def test_empty_news_are_not_sent(self):
        self.assertEqual(self.backend.post("/news/cats", json={"text": ""}).status_code, 422)
        self.assertEqual(self.emulator.record.sends, ())


if __name__ == "__main__":
    unittest.main()
