"""What the package shows: exactly its public names."""

import importlib
import inspect
import re

import pytest

PUBLIC = {
    "azure.messaging.webpubsubservice": [
        "CallOptions",
        "ClientAccessToken",
        "ClientOptions",
        "GeneratedToken",
        "GroupMember",
        "PipelineOptions",
        "SendRequestOptions",
        "WebPubSubClientType",
        "WebPubSubPermission",
        "WebPubSubServiceClient",
        "__version__",
        "build_authentication_token",
    ],
    "azure.messaging.webpubsubservice.aio": ["WebPubSubServiceClient"],
    "azure.messaging.webpubsubservice.filters": ["FilterValue", "odata"],
}


@pytest.mark.parametrize("name", PUBLIC)
def test_module_exports_its_public_names_in_order(name):
    module = importlib.import_module(name)
    assert list(module.__all__) == sorted(module.__all__)
    assert module.__all__ == PUBLIC[name]
    assert all(hasattr(module, each) for each in module.__all__)
    assert set(module.__all__) <= set(dir(module))
    found = {each for each, value in vars(module).items() if not each.startswith("_") and not inspect.ismodule(value)}
    assert found - set(module.__all__) <= {"annotations", "Formatter", "TYPE_CHECKING"}


@pytest.mark.parametrize(
    "name", ["WebPubSubServiceClient", "build_authentication_token", "GroupMember", "ClientOptions"]
)
def test_object_is_importable_from_where_it_is_documented(name):
    import azure.messaging.webpubsubservice as package

    assert getattr(package, name).__module__.startswith(package.__name__)


def test_version_is_that_of_the_distribution():
    from importlib.metadata import version

    from azure.messaging.webpubsubservice import __version__

    assert __version__ == version("azure-messaging-webpubsubservice")
    assert re.fullmatch(r"\d+\.\d+\.\d+(b\d+)?", __version__)


def test_package_is_marked_as_typed():
    from importlib.resources import files

    assert files("azure.messaging.webpubsubservice").joinpath("py.typed").is_file()
