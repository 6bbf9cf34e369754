"""Both clients are one: the same names, signatures, documentation, and, but for the await, the same text."""

import ast
import inspect
import pydoc
import re
from pathlib import Path

import pytest

import azure.messaging.webpubsubservice as package
from azure.messaging.webpubsubservice import WebPubSubServiceClient, aio
from azure.messaging.webpubsubservice._operation import operation
from azure.messaging.webpubsubservice._operations import Operations

AsyncClient = aio.WebPubSubServiceClient
OPERATIONS = [name for name, value in vars(Operations).items() if isinstance(value, operation)]
PUBLIC = sorted(name for name in dir(WebPubSubServiceClient) if not name.startswith("_"))
COLOURED = {"send_request", "list_connections", "close"}

# What an asynchronous name is called where there is no await.
NAMES = {
    "from ..": "from .",
    "credentials_async": "credentials",
    "async_paging": "paging",
    "decorator_async": "decorator",
    "distributed_trace_async": "distributed_trace",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "webpubsubservice.aio": "webpubsubservice",
    "AsyncioTransport": "Urllib3Transport",
    "one event loop": "one process",
}
DIFFERENT = {  # in the asynchronous client: what is written otherwise, and why
    "__doc__": "who may share a client",
    "send_request": "gives a Sending, which can be awaited and entered",
    "_respond": "the coroutine in it",
    "list_connections": "azure-core's asynchronous pager takes an asynchronous iterator",
}


def without_examples(text):
    """Return a docstring without its examples, which are run elsewhere and have the colour of their client."""
    return re.sub(r"^( *)\.\. code-block:: python\n\n(?:\1 +.*\n|\n)+", "", text, flags=re.MULTILINE)


class WithoutAwait(ast.NodeTransformer):
    def visit_AsyncFunctionDef(self, node):
        self.generic_visit(node)
        return ast.copy_location(ast.FunctionDef(**dict(ast.iter_fields(node))), node)

    def visit_Await(self, node):
        self.generic_visit(node)
        return node.value


def members(module):
    """Return the text of each member of a client module and class, with async and await taken out."""
    tree = WithoutAwait().visit(ast.parse(Path(module.__file__).read_text("utf-8")))
    (client,) = (node for node in tree.body if getattr(node, "name", None) == "WebPubSubServiceClient")
    functions = [node for node in [*tree.body, *client.body] if isinstance(node, ast.FunctionDef)]
    found = {"__doc__": ast.get_docstring(client)}
    for node in functions:
        text = without_examples(ast.unparse(node))
        for name, plain in NAMES.items():
            text = text.replace(name, plain)
        text = re.sub(r"\bAsync(?=[A-Z])", "", text)
        lines = [
            re.sub(r"(?<=import )(.*)", lambda match: ", ".join(sorted(match[1].split(", "))), line)
            for line in text.splitlines()
        ]
        name = NAMES.get(node.name, node.name)
        found[name] = found.get(name, "") + "\n".join(lines)  # an overload has the name of what it overloads
    return found


def test_asynchronous_client_is_the_text_of_the_other_with_await():
    from azure.messaging.webpubsubservice import _client
    from azure.messaging.webpubsubservice.aio import _client as aio_client

    plain, awaited = members(_client), members(aio_client)
    different = {name for name in plain.keys() | awaited.keys() if plain.get(name) != awaited.get(name)}
    assert different == DIFFERENT.keys()
    assert len(plain) > 12


def test_both_clients_have_the_same_public_names():
    assert sorted(name for name in dir(AsyncClient) if not name.startswith("_")) == PUBLIC


def test_every_operation_is_a_method_of_both():
    assert len(OPERATIONS) == 26
    assert set(OPERATIONS) | COLOURED <= set(PUBLIC)
    assert set(PUBLIC) - set(OPERATIONS) - COLOURED == {
        "from_connection_string",
        "list_connections_in_group",
    }


@pytest.mark.parametrize("name", PUBLIC)
def test_signatures_are_equal(name):
    one, other = (inspect.signature(getattr(client, name)) for client in (WebPubSubServiceClient, AsyncClient))
    assert one.parameters == other.parameters


@pytest.mark.parametrize("name", PUBLIC)
def test_documentation_is_equal_but_for_the_colour(name):
    def plain(client):
        text = without_examples(inspect.getdoc(getattr(client, name)))
        for pattern, replacement in (
            (r"\.aio\b", ""),
            (r"\bAsync(?=[A-Z])", ""),
            (r"async_paging", "paging"),
            ("await ", ""),
        ):
            text = re.sub(pattern, replacement, text)
        return re.sub(r"~collections\.abc\.Awaitable\[(.*)\]", r"\1", text)

    assert plain(WebPubSubServiceClient) == plain(AsyncClient)


@pytest.mark.parametrize("client", [WebPubSubServiceClient, AsyncClient], ids=["sync", "aio"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_can_be_inspected(client, name):
    method = getattr(client, name)
    assert method.__name__ == name
    assert method.__qualname__ == f"WebPubSubServiceClient.{name}"
    assert method.__module__ == client.__module__
    assert inspect.iscoroutinefunction(method) == (client is AsyncClient)
    parameters = list(inspect.signature(method).parameters)
    assert parameters[0] == "self"
    assert parameters[-1] == "options"
    made = client("https://h", package_credential())
    assert list(inspect.signature(getattr(made, name)).parameters) == parameters[1:]
    assert "Result[" not in str(inspect.signature(method))


def package_credential():
    from azure.core.credentials import AzureKeyCredential

    return AzureKeyCredential("k" * 40)


@pytest.mark.parametrize("client", [WebPubSubServiceClient, AsyncClient], ids=["sync", "aio"])
def test_help_shows_every_operation_with_its_arguments(client):
    text = pydoc.plain(pydoc.render_doc(client))
    for name in OPERATIONS:
        assert re.search(rf"^ \|  (async )?{name}\(", text, re.MULTILINE), name
    assert re.search(r"send_to_group\(\s*(\|\s+)?self,\s*(\|\s+)?group: 'str',\s*(\|\s+)?message: 'Any'", text)
    assert "Send a message to every connection of a group." in text
    assert "-> 'bool'" in text


def test_every_public_object_is_documented():
    for name in package.__all__:
        if name != "__version__":
            assert inspect.getdoc(getattr(package, name)), name
    for name in PUBLIC:
        doc = inspect.getdoc(getattr(WebPubSubServiceClient, name))
        documented = set(re.findall(r":(?:param|keyword)(?: \w+)? (\w+):", doc))
        parameters = inspect.signature(getattr(WebPubSubServiceClient, name)).parameters
        assert documented == set(parameters) - {"self", "options"}, name
