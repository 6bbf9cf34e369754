"""Transports of azure-core and of applications, and the tools that record or answer their requests."""

import asyncio

import pytest
from azure.core.credentials import AzureKeyCredential
from azure.core.pipeline.transport import AsyncioRequestsTransport, RequestsTransport, TrioRequestsTransport
from colours import headers_of

from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient as AsyncClient

KEY = AzureKeyCredential("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH")
FAR = "https://name.webpubsub.azure.com"


class Counting(RequestsTransport):
    sent = 0

    def send(self, request, **options):
        self.sent += 1
        return super().send(request, **options)


def test_subclass_of_a_transport_is_used(recorder):
    transport = Counting()
    with WebPubSubServiceClient(recorder.url, KEY, hub="chat", transport=transport) as client:
        client.send_to_all("x", timeout=5)
    assert (transport.sent, len(recorder.requests)) == (1, 1)


@pytest.mark.parametrize("kind", [AsyncioRequestsTransport, TrioRequestsTransport])
def test_asynchronous_transport_on_requests_is_used(recorder, monkeypatch, tmp_path, kind):
    # It runs requests in threads; what .netrc says of the host never replaces our token there either.
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))

    async def main():
        async with AsyncClient(recorder.url, KEY, hub="chat", transport=kind()) as client:
            await client.send_to_all("hü", timeout=10)
            await client.send_to_all(b"x")

    if kind is TrioRequestsTransport:
        trio = pytest.importorskip("trio", reason="trio is not installed")
        trio.run(main)
    else:
        asyncio.run(main())
    assert [each.body for each in recorder.requests] == ['"hü"'.encode(), b"x"]
    assert all(headers_of(each)["authorization"].startswith("Bearer ey") for each in recorder.requests)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_responses_answers_for_the_service():
    responses = pytest.importorskip("responses", reason="responses is not installed")
    with responses.RequestsMock() as mocked:
        mocked.post(f"{FAR}/api/hubs/chat/:send", status=202)
        mocked.head(f"{FAR}/api/hubs/chat/users/ada", status=200)
        with WebPubSubServiceClient(FAR, KEY, hub="chat", transport=RequestsTransport()) as client:
            client.send_to_all({"a": 1})
            assert client.user_exists("ada")
        assert mocked.calls[0].request.body == b'{"a": 1}'


def test_requests_mock_answers_for_the_service():
    requests_mock = pytest.importorskip("requests_mock", reason="requests-mock is not installed")
    with requests_mock.Mocker() as mocked:
        mocked.post(f"{FAR}/api/hubs/chat/:send", status_code=202)
        mocked.head(f"{FAR}/api/hubs/chat/users/ada", status_code=200)
        with WebPubSubServiceClient(FAR, KEY, hub="chat", transport=RequestsTransport()) as client:
            client.send_to_all({"a": 1})
            assert client.user_exists("ada")
        assert mocked.request_history[0].json() == {"a": 1}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", ["sync", "aio"])
def test_vcrpy_records_and_replays(recorder, tmp_path, name):
    vcr = pytest.importorskip("vcr", reason="vcrpy is not installed")

    async def send():
        async with AsyncClient(recorder.url, KEY, hub="chat") as client:
            await client.send_to_all({"a": "ü"})
            return await client.connection_exists("c")

    for _ in range(2):
        recorder.respond = lambda request: (
            b"HTTP/1.1 %b\r\nContent-Length: 0\r\n\r\n" % (b"202 A" if request.method == "POST" else b"200 OK")
        )
        with vcr.use_cassette(str(tmp_path / "cassette.yaml"), filter_headers=["authorization"]) as cassette:
            if name == "aio":
                assert asyncio.run(send())
            else:
                # By requests: the synchronous client's own connections are of a class that vcrpy does not know.
                with WebPubSubServiceClient(recorder.url, KEY, hub="chat", transport=RequestsTransport()) as client:
                    client.send_to_all({"a": "ü"})
                    assert client.connection_exists("c")
    assert (len(recorder.requests), cassette.play_count) == (2, 2)
    text = (tmp_path / "cassette.yaml").read_text("utf-8")
    assert "Bearer" not in text
