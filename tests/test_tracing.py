"""Distributed tracing with OpenTelemetry, through azure-core: a span for each operation, one for each HTTP request."""

import pytest
from azure.core.credentials import AzureKeyCredential
from azure.core.rest import HttpRequest
from azure.core.settings import settings
from local_servers import answer

from azure.messaging.webpubsubservice import __version__

KEY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"


@pytest.fixture(scope="module")
def exporter():
    """Where spans end up. OpenTelemetry takes one provider for a whole process."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    memory = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    trace.set_tracer_provider(provider)
    return memory


@pytest.fixture
def spans(exporter):
    exporter.clear()
    return exporter.get_finished_spans


@pytest.fixture
def tracing():
    """Tracing is on for everything in this process."""
    settings.tracing_enabled = True
    yield
    settings.tracing_enabled.unset_value()


@pytest.fixture
def recorded(connect, recorder):
    return connect(recorder.url, AzureKeyCredential(KEY), hub="chat")


def shape(found):
    """Return names, each with the name of its parent."""
    names = {span.context.span_id: span.name for span in found}
    return [(span.name, names.get(span.parent.span_id) if span.parent else None) for span in found]


def test_tracing_is_off_by_default(recorded, spans):
    recorded.send_to_all("x")
    assert spans() == ()


@pytest.mark.usefixtures("tracing")
def test_operation_has_a_span_and_its_http_request_one_below(recorded, recorder, spans):
    recorded.send_to_all("x")
    assert shape(spans()) == [
        ("POST", "WebPubSubServiceClient.send_to_all"),
        ("WebPubSubServiceClient.send_to_all", None),
    ]
    request, operation = spans()
    assert request.kind.name == "CLIENT"
    assert operation.kind.name == "INTERNAL"
    assert request.attributes["http.response.status_code"] == 202
    assert request.attributes["http.request.method"] == "POST"
    assert operation.instrumentation_scope.name == "azure-messaging-webpubsubservice"
    assert operation.instrumentation_scope.version == __version__
    (sent,) = recorder.requests
    assert dict(sent.headers)["traceparent"].split("-")[2] == f"{request.context.span_id:016x}"


@pytest.mark.usefixtures("tracing")
def test_each_attempt_has_a_span(recorded, recorder, spans):
    answers = [answer("503 Unavailable", Retry_After="0"), answer("202 Accepted")]
    recorder.respond = lambda _: answers.pop(0)
    recorded.send_to_all("x")
    name = "WebPubSubServiceClient.send_to_all"
    assert shape(spans()) == [("POST", name), ("POST", name), (name, None)]
    assert [span.attributes.get("http.response.status_code") for span in spans()] == [503, 202, None]


@pytest.mark.usefixtures("tracing")
def test_failure_is_seen_in_the_span(recorded, recorder, spans):
    recorder.respond = answer("400 Bad Request")
    with pytest.raises(Exception, match="400"):
        recorded.send_to_all("x")
    request, operation = spans()
    assert request.attributes["error.type"] == "400"
    assert operation.status.status_code.name == "ERROR"


@pytest.mark.usefixtures("tracing")
def test_request_of_the_callers_own_has_a_span_of_http_alone(recorded, spans):
    recorded.send_request(HttpRequest("GET", "/x"))
    assert shape(spans()) == [("GET", None)]


@pytest.mark.usefixtures("tracing")
def test_token_signed_here_has_no_span(recorded, spans):
    recorded.get_client_access_token()
    assert spans() == ()


@pytest.mark.usefixtures("tracing")
def test_every_page_has_spans(recorded, recorder, spans):
    recorder.respond = answer("200 OK", b'{"value":[]}')
    assert list(recorded.list_connections("g")) == []
    assert shape(spans()) == [
        ("GET", "WebPubSubServiceClient.list_connections"),
        ("WebPubSubServiceClient.list_connections", None),
    ]


def test_tracing_of_one_call_can_be_chosen(recorded, spans):
    recorded.send_to_all("x", tracing_options={"enabled": True})
    assert shape(spans()) == [
        ("POST", "WebPubSubServiceClient.send_to_all"),
        ("WebPubSubServiceClient.send_to_all", None),
    ]


@pytest.mark.usefixtures("tracing")
def test_tracing_of_one_call_can_be_turned_off(recorded, spans):
    recorded.send_to_all("x", tracing_options={"enabled": False})
    assert spans() == ()


@pytest.mark.usefixtures("tracing")
def test_attributes_and_name_can_be_given(recorded, spans):
    recorded.send_to_all(
        "x", tracing_attributes={"mine": "1"}, network_span_namer=lambda request: f"http {request.method}"
    )
    request, operation = spans()
    assert operation.attributes["mine"] == "1"
    assert operation.name == "WebPubSubServiceClient.send_to_all"
    assert request.name == "http POST"


@pytest.mark.usefixtures("tracing")
def test_span_shows_no_token(recorded, spans):
    recorded.send_request(HttpRequest("GET", "/x?access_token=a-secret-token"))
    recorded.send_to_all("x")
    for span in spans():
        assert "a-secret-token" not in str(dict(span.attributes))
        assert "eyJ" not in str(dict(span.attributes))
        assert KEY not in str(dict(span.attributes))
