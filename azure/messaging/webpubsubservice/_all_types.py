"""The types that ``_types`` gives, in one place."""

# ruff: noqa: PLC0414 - a name that is imported as itself is this module's too

from datetime import timedelta as timedelta

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
from azure.core.settings import settings as settings
from typing_extensions import Self as Self

from ._models import ClientAccessToken as ClientAccessToken
from ._models import GeneratedToken as GeneratedToken
from ._models import GroupMember as GroupMember
from ._options import CallOptions as CallOptions
from ._options import ClientOptions as ClientOptions
from ._options import RequestOptions as RequestOptions
from ._options import SendRequestOptions as SendRequestOptions
