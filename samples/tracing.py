"""Follow a message with OpenTelemetry, from the backend to the client: python samples/tracing.py.

Needs opentelemetry-sdk. azure-core makes a span for each operation and for each HTTP request. The message's metadata
takes the trace to the client.
"""

import json
import os

from azure.core.settings import settings
from opentelemetry import trace
from opentelemetry.propagate import extract, inject
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from websockets import Subprotocol
from websockets.sync.client import connect

from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.emulator import WebPubSubEmulator

exporter = InMemorySpanExporter()  # in a real application: OTLPSpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
settings.tracing_enabled = True
tracer = trace.get_tracer("shop")


def print_below(parent: int | None, depth: int = 0) -> None:
    """Print the spans that have this parent, each with those below it."""
    for span in sorted(exporter.get_finished_spans(), key=lambda span: span.start_time or 0):
        if (span.parent.span_id if span.parent else None) == parent:
            print("    " * depth + span.name)
            print_below(span.context.span_id, depth + 1)


def main(connection_string: str) -> None:
    with (
        WebPubSubServiceClient.from_connection_string(connection_string, hub="tracing") as service,
        connect(
            service.get_client_access_token(user_id="ada")["url"],
            subprotocols=[Subprotocol("json.webpubsub.azure.v1")],  # others get no metadata
        ) as client,
    ):
        client.recv(timeout=10)  # it is connected

        with tracer.start_as_current_span("the backend takes an order"):
            carrier: dict[str, str] = {}
            inject(carrier)  # the traceparent
            service.send_to_user("ada", {"order": 1}, metadata=carrier)

        frame = json.loads(client.recv(timeout=10))
        with tracer.start_as_current_span("the client shows it", context=extract(frame["metadata"])):
            print("order", frame["data"]["order"])

    print_below(None)
    print("traces:", len({span.context.trace_id for span in exporter.get_finished_spans()}))


if text := os.environ.get("WEBPUBSUB_CONNECTION_STRING"):
    main(text)
else:  # no Azure account: the emulator, in this process
    with WebPubSubEmulator() as emulator:
        main(emulator.connection_string)
