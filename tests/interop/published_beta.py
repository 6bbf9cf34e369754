"""Runs version 1.0.0b1 for a test, in an environment of its own: requests in JSON in, what came of them in JSON out."""

import json
import sys

from azure.messaging.webpubsubservice import WebPubSubServiceClient, build_authentication_token, rest

asked = json.load(sys.stdin)
client = WebPubSubServiceClient.from_connection_string(asked["connection_string"])
endpoint, hub, key = client.endpoint, asked["hub"], asked["access_key"]
sent = []
for name, args, kwargs in asked["requests"]:
    request = getattr(rest, name)(*args, **kwargs)
    response = client.send_request(request)
    sent.append([request.method, request.url, response.status_code])
json.dump(
    {
        "builders": [name for name in dir(rest) if name.startswith("build_")],
        "sent": sent,
        "tokens": [
            build_authentication_token(asked["connection_string"], hub, user="ann", roles=["webpubsub.joinLeaveGroup"]),
            build_authentication_token(endpoint, hub, accesskey=key),
        ],
    },
    sys.stdout,
)
