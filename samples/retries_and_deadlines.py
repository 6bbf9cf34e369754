"""See what is repeated, what is not, and how long a call may take: python samples/retries_and_deadlines.py.

Always with an emulator, which is told here what to let go wrong.
"""

from time import monotonic
from typing import Any

from azure.core.exceptions import AzureError
from websockets.sync.client import connect

from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.emulator import RestFault, WebPubSubEmulator

statuses: list[int] = []


def note(response: Any) -> None:
    """Remember each answer, also those that are repeated after."""
    statuses.append(response.http_response.status_code)


def attempt(number: int, **options: Any) -> None:
    """Send a message and print how that ends."""
    statuses.clear()
    started = monotonic()
    try:
        service.send_to_all(str(number), content_type="text/plain", **options)
        outcome = "accepted"
    except AzureError as error:
        outcome = type(error).__name__
    print(f"    {outcome} after {monotonic() - started:.0f} s, answers: {statuses}")


with (
    WebPubSubEmulator() as emulator,
    WebPubSubServiceClient.from_connection_string(
        emulator.connection_string, hub="retries", raw_response_hook=note
    ) as service,
    connect(service.get_client_access_token()["url"]) as ada,
):
    print("throttled: the send did not run, so it is repeated when the service says")
    emulator.inject(RestFault(status=429, retry_after=1))
    attempt(1)

    print("failed inside the service: it may have run, so it is not repeated")
    emulator.inject(RestFault(status=500))
    attempt(2)

    print("the answer is lost: the same")
    emulator.inject(RestFault(drop_after=True))
    attempt(3)

    print("the answer is lost, and at-least-once is chosen: repeated, here delivered twice")
    emulator.inject(RestFault(drop_after=True))
    attempt(4, retry_sends=True)

    print("more than the deadline allows: given up at once, for the next attempt would come too late")
    emulator.inject(RestFault(status=503, retry_after=60))
    attempt(5, timeout=5)

    print("no answer: given up at the deadline")
    emulator.inject(RestFault(delay=60, drop=True))
    attempt(6, timeout=1)

    service.send_to_all("the end", content_type="text/plain")
    print("received:", *iter(lambda: ada.recv(timeout=10), "the end"))
