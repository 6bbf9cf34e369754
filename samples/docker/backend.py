"""The chat of chat_fastapi.py in a container: uvicorn backend:app, as compose.yaml starts it.

WEBPUBSUB_CONNECTION_STRING has the endpoint that browsers know, WEBPUBSUB_REVERSE_PROXY_ENDPOINT the one by which the
emulator is reached from here.
"""

import os

from chat_fastapi import make_app

app = make_app(
    os.environ["WEBPUBSUB_CONNECTION_STRING"],
    reverse_proxy_endpoint=os.environ.get("WEBPUBSUB_REVERSE_PROXY_ENDPOINT"),
)
