"""The types that annotations name and requests are made of, each loaded when somebody asks for it.

azure-core takes many times as long to import as all of this package, and a program that only mints tokens needs nothing
of it. ``types.HttpRequest`` loads it with the first request; ``typing.get_type_hints`` and Sphinx find every name too.
"""

# ruff: noqa: PLC0414 - a name that is imported as itself is this module's too

from __future__ import annotations

import os
from importlib import import_module
from threading import RLock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azure.core.async_paging import AsyncItemPaged as AsyncItemPaged
    from azure.core.async_paging import AsyncList as AsyncList
    from azure.core.credentials import AzureKeyCredential as AzureKeyCredential
    from azure.core.credentials import TokenCredential as TokenCredential
    from azure.core.credentials_async import AsyncTokenCredential as AsyncTokenCredential
    from azure.core.paging import ItemPaged as ItemPaged
    from azure.core.pipeline import AsyncPipeline as AsyncPipeline
    from azure.core.pipeline import Pipeline as Pipeline
    from azure.core.pipeline import PipelineResponse as PipelineResponse
    from azure.core.rest import AsyncHttpResponse as AsyncHttpResponse
    from azure.core.rest import HttpRequest as HttpRequest
    from azure.core.rest import HttpResponse as HttpResponse
    from typing_extensions import Self as Self
    from typing_extensions import Unpack as Unpack

    from ._models import ClientAccessToken as ClientAccessToken
    from ._models import GeneratedToken as GeneratedToken
    from ._models import GroupMember as GroupMember
    from ._options import CallOptions as CallOptions
    from ._options import ClientOptions as ClientOptions
    from ._options import RequestOptions as RequestOptions
    from ._options import SendRequestOptions as SendRequestOptions

HOMES = {
    "AsyncHttpResponse": "azure.core.rest",
    "AsyncItemPaged": "azure.core.async_paging",
    "AsyncList": "azure.core.async_paging",
    "AsyncPipeline": "azure.core.pipeline",
    "AsyncTokenCredential": "azure.core.credentials_async",
    "AzureKeyCredential": "azure.core.credentials",
    "HttpRequest": "azure.core.rest",
    "HttpResponse": "azure.core.rest",
    "ItemPaged": "azure.core.paging",
    "Pipeline": "azure.core.pipeline",
    "PipelineResponse": "azure.core.pipeline",
    "TokenCredential": "azure.core.credentials",
    "Self": "typing_extensions",
    "Unpack": "typing_extensions",
    "ClientAccessToken": f"{__package__}._models",
    "GeneratedToken": f"{__package__}._models",
    "GroupMember": f"{__package__}._models",
    "CallOptions": f"{__package__}._options",
    "ClientOptions": f"{__package__}._options",
    "RequestOptions": f"{__package__}._options",
    "SendRequestOptions": f"{__package__}._options",
}
"""Where each of them is."""

LOADING = RLock()
"""Held while a first request loads and makes things: a fork waits for it, so that no child has half a module."""

if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(before=LOADING.acquire, after_in_parent=LOADING.release, after_in_child=LOADING.release)


def __getattr__(name: str) -> object:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with LOADING:
        found: object = getattr(import_module(HOMES[name]), name)
    globals()[name] = found
    return found
