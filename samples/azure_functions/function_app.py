"""An Azure Functions app (programming model v2): one function mints URLs, one receives the clients' events.

With Azure Functions Core Tools: WEBPUBSUB_CONNECTION_STRING="Endpoint=..." func start. Its tests: test_function_app.py.
"""

import json
import os

import azure.functions as func
from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.eventhandler import UserEventRequest, WebPubSubEventHandler

TEXT = os.environ["WEBPUBSUB_CONNECTION_STRING"]
client = WebPubSubServiceClient.from_connection_string(TEXT, hub="chat")  # lives as long as the worker
handler = WebPubSubEventHandler("chat", connection_string=TEXT)
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route("negotiate", methods=["GET"])
def negotiate(req: func.HttpRequest) -> func.HttpResponse:
    token = client.get_client_access_token(user_id=req.params["user"])
    return func.HttpResponse(json.dumps({"url": token["url"]}), mimetype="application/json")


@app.route("eventhandler", methods=["OPTIONS", "POST"])
def events(req: func.HttpRequest) -> func.HttpResponse:
    reply = handler.handle(req.method, req.headers, req.get_body())
    return func.HttpResponse(reply.body, status_code=reply.status, headers=dict(reply.headers))


@handler.on_event("message")
def message(event: UserEventRequest) -> str:
    return f"you said {event.data}"
