"""Django with an event handler: a page, a URL for it to connect with, and answers to what it says.

    pip install ".[emulator]" django waitress
    python samples/django_app.py

Needs no Azure account: without WEBPUBSUB_CONNECTION_STRING in the environment it starts an emulator in this process.
With it, the service has to reach this server: in its settings, give the hub "django" the event handler
https://<public address>/eventhandler with the user event pattern *.
"""

import os
import socket

import waitress
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path, re_path
from django.views.decorators.csrf import csrf_exempt

from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.emulator import EventHandler, WebPubSubEmulator
from azure.messaging.webpubsubservice.eventhandler import UserEventRequest, WebPubSubEventHandler

emulator = WebPubSubEmulator()
text = os.environ.get("WEBPUBSUB_CONNECTION_STRING")
if not text:
    emulator.start()
    text = emulator.connection_string
settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], WEBPUBSUB_CONNECTION_STRING=text)

# What follows would be in your project's views.py and urls.py.
service = WebPubSubServiceClient.from_connection_string(settings.WEBPUBSUB_CONNECTION_STRING, hub="django")
handler = WebPubSubEventHandler("django", connection_string=settings.WEBPUBSUB_CONNECTION_STRING)
PAGE = """<!doctype html><meta name="viewport" content="width=device-width"><title>Echo</title>
<form><input autofocus> <button>Say</button></form><ul></ul>
<script type="module">
const { url } = await (await fetch("negotiate?user=ada")).json();
const socket = new WebSocket(url);
socket.onmessage = ({ data }) =>
  document.querySelector("ul").append(Object.assign(document.createElement("li"), { textContent: data }));
document.querySelector("form").onsubmit = (event) => {
  event.preventDefault();
  socket.send(document.querySelector("input").value);
};
</script>"""


def page(_: HttpRequest) -> HttpResponse:
    return HttpResponse(PAGE)


def negotiate(request: HttpRequest) -> JsonResponse:
    user = request.GET["user"]  # in a real application: request.user
    return JsonResponse({"url": service.get_client_access_token(user_id=user)["url"]})


@csrf_exempt  # the service has no cookie of yours; the signature is what is checked
def events(request: HttpRequest) -> HttpResponse:
    reply = handler.handle(request.method, request.headers, request.body)
    return HttpResponse(reply.body, status=reply.status, headers=reply.headers)


@handler.on_event("message")
def message(event: UserEventRequest) -> str:
    return f"you said {event.data}"


urlpatterns = [path("", page), path("negotiate", negotiate), re_path("^eventhandler", events)]

if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", int(os.environ.get("PORT", "8000")))) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        emulator.add_event_handler("django", EventHandler(f"{address}/eventhandler"))
        print(f"Open {address}/", flush=True)
        waitress.serve(get_wsgi_application(), sockets=[listener])
    service.close()
    emulator.stop()
