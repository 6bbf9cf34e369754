"""What both clients show to those who look: names, signatures, types, documentation. ``test_twins`` has their text."""

import asyncio
import inspect
import pydoc
import re
import typing
from unittest import mock

import pytest
from azure.core.credentials import AzureKeyCredential
from test_operations_table import ROWS

import azure.messaging.webpubsubservice as package
from azure.messaging.webpubsubservice import WebPubSubServiceClient, aio, rest
from azure.messaging.webpubsubservice.filters import odata

AsyncClient = aio.WebPubSubServiceClient
BOTH = pytest.mark.parametrize("client", [WebPubSubServiceClient, AsyncClient], ids=["sync", "aio"])
PUBLIC = sorted(name for name, _ in inspect.getmembers(WebPubSubServiceClient, callable) if name[0] != "_")
OTHERS = {"send_request", "close", "from_connection_string"}
ATTRIBUTES = {"endpoint", "hub"}
METHODS = sorted(set(PUBLIC) - OTHERS)
BUILDERS = [name for name in vars(rest) if not name.startswith("_")]


def test_both_clients_have_the_same_public_names():
    for client in (WebPubSubServiceClient, AsyncClient):
        assert sorted(name for name in dir(client) if name[0] != "_") == sorted([*PUBLIC, *ATTRIBUTES])
    others = {"get_client_access_token", "check_permission", "list_connections_in_group"}
    assert {row.operation for row in ROWS} | others == set(METHODS)


@pytest.mark.parametrize("name", PUBLIC)
def test_signatures_are_equal(name):
    one, other = (inspect.signature(getattr(client, name)) for client in (WebPubSubServiceClient, AsyncClient))
    assert one.parameters == other.parameters


@BOTH
@pytest.mark.parametrize("name", METHODS)
def test_operation_is_a_real_method(client, name):
    method = inspect.getattr_static(client, name)
    assert inspect.isfunction(method)
    assert method.__module__ == client.__module__
    assert inspect.iscoroutinefunction(method) == (client is AsyncClient and not name.startswith("list_connections"))
    parameters = list(inspect.signature(method).parameters)
    assert parameters[0] == "self"
    assert parameters[-1] == "options"
    made = client("https://h", AzureKeyCredential("k" * 40))
    assert list(inspect.signature(getattr(made, name)).parameters) == parameters[1:]


@BOTH
def test_constructor_shows_its_parameters(client):
    parameters = inspect.signature(client).parameters
    assert list(parameters) == ["endpoint", "credential_or_hub", "credential_after_hub", "hub", "credential", "options"]
    assert list(inspect.signature(client.from_connection_string).parameters) == ["connection_string", "hub", "options"]


@BOTH
@pytest.mark.parametrize("name", [*PUBLIC, "__init__"])
def test_types_can_be_asked_for(client, name):
    hints = typing.get_type_hints(getattr(client, name))
    assert hints["return"] is not None


@pytest.mark.parametrize("name", BUILDERS)
def test_types_of_builders_can_be_asked_for(name):
    from azure.core.rest import HttpRequest

    assert typing.get_type_hints(getattr(rest, name))["return"] is HttpRequest


@pytest.mark.parametrize("function", [package.build_authentication_token, odata])
def test_types_of_functions_can_be_asked_for(function):
    assert typing.get_type_hints(function)["return"] is not None


@BOTH
def test_subclass_is_what_from_connection_string_makes(client):
    class Mine(client):
        def __init__(self, endpoint, hub, credential, **options):
            super().__init__(endpoint, hub, credential, **options)
            self.mine = True

        def send_to_all(self, message, **options):
            return ("mine", message)

    made = Mine.from_connection_string("Endpoint=http://localhost:8080;AccessKey=key;", hub="chat")
    assert type(made) is Mine
    assert made.mine
    assert made.send_to_all("x") == ("mine", "x")


@BOTH
def test_mocks_know_what_is_there(client):
    made = mock.create_autospec(client, instance=True)
    sent = made.send_to_group("g", "x", excluded=["c"])
    assert inspect.isawaitable(sent) == (client is AsyncClient)
    if client is AsyncClient:
        asyncio.run(sent)
    with pytest.raises(TypeError):
        made.send_to_group()
    with pytest.raises(AttributeError):
        made.send_to_grup("g", "x")
    plain = mock.Mock(spec=client)
    assert plain.endpoint is not None
    assert plain.hub is not None


@BOTH
def test_help_shows_every_operation_with_its_arguments(client):
    text = pydoc.plain(pydoc.render_doc(client))
    for name in METHODS:
        assert re.search(rf"^ \|  (async )?{name}(\(| = )", text, re.MULTILINE), name
    assert re.search(r"send_to_group\(\s*(\|\s+)?self,\s*(\|\s+)?group: 'str',\s*(\|\s+)?message: 'Any'", text)
    assert "Send a message to every connection of a group." in text
    assert "-> 'bool'" in text


def test_every_public_object_is_documented():
    for name in package.__all__:
        if name != "__version__":
            assert inspect.getdoc(getattr(package, name)), name
    for name in PUBLIC:
        doc = inspect.getdoc(getattr(WebPubSubServiceClient, name))
        documented = set(re.findall(r":(?:param|keyword)(?: \S+)? (\w+):", doc))
        parameters = inspect.signature(getattr(WebPubSubServiceClient, name)).parameters
        assert documented == set(parameters) - {"self", "options"}, name
        assert "Example::" in doc, name
