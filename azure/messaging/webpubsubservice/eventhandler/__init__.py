"""Receive the webhooks of Azure Web PubSub in any Python web framework, with the standard library alone.

Make a handler, register functions, mount it. In FastAPI or Starlette:

.. code-block:: python

    from fastapi import FastAPI
    from starlette.routing import Route

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


    app = FastAPI()
    app.router.routes.append(Route("/eventhandler{rest:path}", handler.asgi_app))

In Flask, and with anything else that speaks WSGI:

.. code-block:: python

    from flask import Flask
    from werkzeug.middleware.dispatcher import DispatcherMiddleware

    app = Flask(__name__)
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/eventhandler": handler.wsgi_app})

Where there is nothing to mount, three lines do. In Django:

.. code-block:: python

    from django.http import HttpResponse
    from django.urls import re_path
    from django.views.decorators.csrf import csrf_exempt


    @csrf_exempt
    def events(request):
        reply = handler.handle(request.method, request.headers, request.body)
        return HttpResponse(reply.body, status=reply.status, headers=reply.headers)


    urlpatterns = [re_path("^eventhandler", events)]

In each of these, the service's URL template is ``https://<host>/eventhandler``, with or without a slash at its end, and
with or without more after that. In aiohttp; an Azure Function does the same with ``req.get_body()`` and
``func.HttpResponse``:

.. code-block:: python

    from aiohttp import web


    async def events(request):
        reply = await handler.handle_async(request.method, request.headers, await request.read())
        return web.Response(body=reply.body, status=reply.status, headers=reply.headers)

A running handler can be examined: ``python -m azure.messaging.webpubsubservice.eventhandler URL``.

Public names only.
"""

from ._events import (
    ClientCertificate,
    ConnectedRequest,
    ConnectionContext,
    ConnectRequest,
    DisconnectedRequest,
    GroupJoinedRequest,
    GroupLeftRequest,
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
    "GroupJoinedRequest",
    "GroupLeftRequest",
    "MqttConnectProperties",
    "MqttContext",
    "MqttDisconnectProperties",
    "UserEventRequest",
    "UserEventResponse",
    "WebPubSubEventHandler",
]
