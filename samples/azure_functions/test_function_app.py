"""The functions, called with the objects that the Functions host makes: python -m pytest samples/azure_functions.

Needs pytest and azure-functions. The host itself is not here: it would bring the requests, and call the same functions.
"""

import importlib
import json
import sys

import azure.functions as func
import pytest
from azure.messaging.webpubsubservice.eventhandler import EventHandlerResponse

pytest_plugins = ["azure.messaging.webpubsubservice.emulator.pytest_plugin"]


def call(function, request: func.HttpRequest) -> func.HttpResponse:
    return function.build().get_user_function()(request)


class Host:
    """Brings the emulator's events to the function, as the Functions host brings the service's."""

    def __init__(self, function):
        self.function = function

    def handle(self, method, headers, body):
        request = func.HttpRequest(method, "/api/eventhandler", headers=dict(headers), body=body)
        answer = call(self.function, request)
        return EventHandlerResponse(answer.status_code, tuple(answer.headers.items()), answer.get_body())


@pytest.fixture
def functions(webpubsub_emulator, monkeypatch):
    monkeypatch.setenv("WEBPUBSUB_CONNECTION_STRING", webpubsub_emulator.connection_string)
    monkeypatch.delitem(sys.modules, "function_app", raising=False)  # it reads the connection string once
    module = importlib.import_module("function_app")
    webpubsub_emulator.add_event_handler("chat", Host(module.events))
    return module


def test_what_a_client_says_is_answered(functions, webpubsub_emulator):
    answer = call(functions.negotiate, func.HttpRequest("GET", "/api/negotiate", params={"user": "ada"}, body=b""))
    with webpubsub_emulator.connect(json.loads(answer.get_body())["url"]) as ada:
        ada.send_text("hello")
        assert ada.receive_text() == "you said hello"


def test_what_is_no_event_is_refused(functions):
    assert call(functions.events, func.HttpRequest("POST", "/api/eventhandler", body=b"{}")).status_code == 400
