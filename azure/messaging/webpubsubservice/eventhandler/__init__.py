"""Receive the webhooks of Azure Web PubSub in any Python web framework, with the standard library alone.

Make a handler, register functions, mount it::

    from azure.messaging.webpubsubservice.eventhandler import (
        ConnectRequest, ConnectResponse, UserEventRequest, WebPubSubEventHandler,
    )

    handler = WebPubSubEventHandler("chat", connection_string=connection_string)

    @handler.on_connect
    def connect(request: ConnectRequest) -> ConnectResponse:
        return ConnectResponse(groups=["lobby"], states={"joined": 0})

    @handler.on_event("message")
    async def message(request: UserEventRequest) -> str:
        return f"you said {request.data}"

    app.mount("/eventhandler", handler.asgi_app)                     # FastAPI, Starlette
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/eventhandler": handler.wsgi_app})       # Flask

Where there is nothing to mount, three lines do. Django (``csrf_exempt``), aiohttp, Azure Functions::

    def events(request):
        reply = handler.handle(request.method, request.headers, request.body)
        return HttpResponse(reply.body, status=reply.status, headers=reply.headers)

    async def events(request):
        reply = await handler.handle_async(request.method, request.headers, await request.read())
        return web.Response(body=reply.body, status=reply.status, headers=reply.headers)

    async def events(req: func.HttpRequest) -> func.HttpResponse:
        reply = await handler.handle_async(req.method, req.headers, req.get_body())
        return func.HttpResponse(reply.body, status_code=reply.status, headers=reply.headers)

A running handler can be examined: ``python -m azure.messaging.webpubsubservice.eventhandler URL``.

This file holds the public names and nothing else.
"""

from ._events import (
    ClientCertificate,
    ConnectedRequest,
    ConnectionContext,
    ConnectRequest,
    DisconnectedRequest,
    MqttConnectProperties,
    MqttContext,
    MqttDisconnectProperties,
    UserEventRequest,
)
from ._handler import WebPubSubEventHandler
from ._replies import ConnectResponse, EventErrorResponse, EventHandlerResponse, UserEventResponse

__all__ = [
    "ClientCertificate",
    "ConnectRequest",
    "ConnectResponse",
    "ConnectedRequest",
    "ConnectionContext",
    "DisconnectedRequest",
    "EventErrorResponse",
    "EventHandlerResponse",
    "MqttConnectProperties",
    "MqttContext",
    "MqttDisconnectProperties",
    "UserEventRequest",
    "UserEventResponse",
    "WebPubSubEventHandler",
]
