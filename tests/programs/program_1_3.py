"""A program written for 1.3.0, as applications have it; a test runs it with 1.3.0 and with this library, unchanged.

Arguments: the endpoint. It prints what its calls returned or raised, as JSON.
"""

import asyncio
import io
import json
import logging
import sys

from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.core.pipeline.policies import RetryPolicy, SansIOHTTPPolicy
from azure.core.pipeline.transport import AioHttpTransport, RequestsTransport
from azure.core.rest import HttpRequest

from azure.messaging.webpubsubservice import GroupMember, WebPubSubServiceClient
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient as AsyncClient

ENDPOINT = sys.argv[1]
KEY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"
seen = []

logging.basicConfig(stream=io.StringIO(), level=logging.DEBUG)


class Stamp(SansIOHTTPPolicy):
    def on_request(self, request):
        request.http_request.headers["X-Stamp"] = "stamped"


class Counting(RequestsTransport):
    sent = 0

    def send(self, request, **options):
        Counting.sent += 1
        return super().send(request, **options)


class NotHereError(Exception):
    def __init__(self, response=None):
        super().__init__(response.status_code)


def before(request):
    seen.append(request.http_request.method)


def after(response):
    seen.append(response.http_response.status_code)


CALLS = [
    ("send_to_all", ({"from": "user1", "data": "Hello World"},), {}),
    ("send_to_all", ("hello, text!",), {"content_type": "text/plain", "excluded": ["a b", "c"]}),
    ("send_to_all", (io.BytesIO(b"hi there"),), {"content_type": "application/octet-stream"}),
    ("send_to_all", ("x",), {"filter": "userId ne 'user1'", "headers": {"X-Mine": "1"}, "params": {"p": "a%20b"}}),
    ("send_to_group", ("room 1", {"a": [1, 2, None]}), {"excluded": ["c"]}),
    ("send_to_user", ("ada@example", "hi"), {"content_type": "text/plain", "user_agent": "mine/1"}),
    ("send_to_connection", ("c-1_2", b"\x00\x01"), {"content_type": "application/octet-stream"}),
    ("send_to_connection", ("c", {"x": 1}), {"raw_request_hook": before, "raw_response_hook": after}),
    ("connection_exists", ("c",), {}),
    ("group_exists", (), {"group": "nobody"}),
    ("user_exists", (), {"user_id": "nobody"}),
    ("has_permission", ("sendToGroup", "c"), {"target_name": "room 1"}),
    ("grant_permission", ("joinLeaveGroup", "c"), {"target_name": "room"}),
    ("revoke_permission", ("joinLeaveGroup", "c"), {"target_name": "room"}),
    ("add_connection_to_group", ("room", "c"), {"logging_enable": True}),
    ("add_connection_to_group", ("room", "nobody"), {}),
    ("add_connection_to_group", ("room", "nobody"), {"error_map": {404: NotHereError}}),
    ("remove_connection_from_group", ("room", "c"), {}),
    ("remove_connection_from_all_groups", ("c",), {}),
    ("add_user_to_group", ("room", "ada"), {"cls": lambda response, result, _: [response.http_response.status_code]}),
    ("remove_user_from_group", ("room", "ada"), {"retry_total": 0, "connection_timeout": 5, "read_timeout": 5}),
    ("remove_user_from_all_groups", ("ada",), {}),
    ("close_connection", ("c",), {"reason": "so & so"}),
    ("close_all_connections", (), {"excluded": ["a", "b"], "reason": "bye"}),
    ("close_group_connections", ("room",), {}),
    ("close_user_connections", ("ada",), {"reason": "bye"}),
    ("close_user_connections", ("forbidden",), {}),
    ("send_to_user", ("unauthorized", "x"), {}),
]


def fresh(value):
    return io.BytesIO(value.getvalue()) if isinstance(value, io.BytesIO) else value


def told(error):
    return [type(error).__name__, getattr(error, "status_code", None)]


ERRORS = (ClientAuthenticationError, ResourceNotFoundError, HttpResponseError, NotHereError, ValueError)


def blocking(client):
    results = []
    for name, arguments, options in CALLS:
        try:
            results.append(getattr(client, name)(*map(fresh, arguments), **options))
        except ERRORS as error:  # noqa: PERF203
            results.append(told(error))
    members = client.list_connections(group="room", top=3)
    results.append([isinstance(each, GroupMember) and (each.connection_id, each.user_id) for each in members])
    response = client.send_request(HttpRequest("HEAD", "/api/hubs/chat/groups/g?api-version=2024-12-01"))
    results.append([response.status_code, response.headers["x-ms-error-code"]])
    token = client.get_client_access_token(user_id="ada", roles=["r"], groups=["g"], minutes_to_expire=5)
    results.append([sorted(token), token["baseUrl"]])
    return results


async def awaiting(client):
    results = []
    for name, arguments, options in CALLS:
        try:
            results.append(await getattr(client, name)(*map(fresh, arguments), **options))
        except ERRORS as error:  # noqa: PERF203
            results.append(told(error))
    members = client.list_connections(group="room", top=3)
    results.append([isinstance(each, GroupMember) and (each.connection_id, each.user_id) async for each in members])
    response = await client.send_request(HttpRequest("HEAD", "/api/hubs/chat/groups/g?api-version=2024-12-01"))
    results.append([response.status_code, response.headers["x-ms-error-code"]])
    token = await client.get_client_access_token(user_id="ada", roles=["r"], groups=["g"], minutes_to_expire=5)
    results.append([sorted(token), token["baseUrl"]])
    return results


async def both(results):
    async with AsyncClient(ENDPOINT, "chat", AzureKeyCredential(KEY)) as client:
        results.append(await awaiting(client))
    own = {"transport": AioHttpTransport(), "per_call_policies": [Stamp()], "headers": {"X-All": "1"}}
    async with AsyncClient.from_connection_string(
        f"Endpoint={ENDPOINT};AccessKey={KEY};Version=1.0;", "chat", **own
    ) as c:
        results.append(await awaiting(c))


def main():
    results = []
    client = WebPubSubServiceClient(endpoint=ENDPOINT, hub="chat", credential=AzureKeyCredential(KEY))
    results.append(blocking(client))
    client.close()
    own = {"transport": Counting(), "per_retry_policies": Stamp(), "retry_policy": RetryPolicy(retry_total=1)}
    with WebPubSubServiceClient.from_connection_string(
        connection_string=f"Endpoint={ENDPOINT};AccessKey={KEY};Version=1.0;", hub="chat", **own
    ) as client:
        results.append(blocking(client))
    asyncio.run(both(results))
    print(json.dumps({"results": results, "seen": seen, "counted": Counting.sent}))


main()
