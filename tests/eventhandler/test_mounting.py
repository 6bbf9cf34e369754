"""The handler behind the frameworks people have: each is asked over real HTTP for the handshake and three events."""

import asyncio
import io
import json
import threading

import pytest
from event_requests import (
    KEY,
    connect_event,
    disconnected_event,
    exchange,
    preflight,
    user_event,
    uvicorn_server,
    waitress_server,
)

from azure.messaging.webpubsubservice.eventhandler import ConnectResponse, WebPubSubEventHandler

PATH = "/eventhandler/"


@pytest.fixture
def handler():
    handler = WebPubSubEventHandler("chat", access_key=KEY, allowed_endpoints="localhost")

    @handler.on_connect
    def connect(request):
        return ConnectResponse(user_id="ann", states={"n": 1})

    @handler.on_event
    async def echo(request):
        return request.data

    return handler


def check_mounted(address, handler):
    left = []
    handler.on_disconnected(lambda event: left.append(event.reason))
    method, headers = preflight("localhost")
    status, headers, _ = exchange(address, method, PATH, headers)
    assert (status, headers["webhook-allowed-origin"]) == (200, "localhost")
    status, headers, body = send(address, connect_event())
    assert (status, json.loads(body), headers["ce-connectionstate"]) == (200, {"userId": "ann"}, "eyJuIjoxfQ==")
    status, headers, body = send(address, user_event(b"\x00\xff", content_type="application/octet-stream"))
    assert (status, headers["content-type"], body) == (200, "application/octet-stream", b"\x00\xff")
    assert send(address, user_event(ce_signature="sha256=0"))[0] == 401
    assert send(address, disconnected_event())[0] == 200
    assert left == ["gone"]


def send(address, request):
    method, headers, body = request
    return exchange(address, method, PATH, headers, body)


def test_handler_mounts_in_fastapi(handler):
    fastapi = pytest.importorskip("fastapi", reason="FastAPI is not installed")
    app = fastapi.FastAPI()
    app.mount("/eventhandler", handler.asgi_app)
    with uvicorn_server(app) as address:
        check_mounted(address, handler)


def test_handler_mounts_in_starlette(handler):
    starlette = pytest.importorskip("starlette.applications", reason="Starlette is not installed")
    from starlette.routing import Mount

    with uvicorn_server(starlette.Starlette(routes=[Mount("/eventhandler", handler.asgi_app)])) as address:
        check_mounted(address, handler)


def test_handler_is_an_endpoint_of_a_starlette_route(handler):
    starlette = pytest.importorskip("starlette.applications", reason="Starlette is not installed")
    from starlette.routing import Route

    with uvicorn_server(starlette.Starlette(routes=[Route(PATH, handler.asgi_app)])) as address:
        check_mounted(address, handler)


def test_handler_mounts_in_flask(handler):
    flask = pytest.importorskip("flask", reason="Flask is not installed")
    from werkzeug.middleware.dispatcher import DispatcherMiddleware

    app = flask.Flask("mounting")
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/eventhandler": handler.wsgi_app})
    with waitress_server(app) as address:
        check_mounted(address, handler)


def test_handler_answers_a_flask_view(handler):
    flask = pytest.importorskip("flask", reason="Flask is not installed")
    app = flask.Flask("view")

    @app.route(PATH, methods=["OPTIONS", "POST"])
    def events():
        reply = handler.handle(flask.request.method, flask.request.headers, flask.request.get_data())
        return reply.body, reply.status, reply.headers

    with waitress_server(app) as address:
        check_mounted(address, handler)


@pytest.fixture
def django_urls():
    django = pytest.importorskip("django", reason="Django is not installed")
    from django.conf import settings

    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["127.0.0.1"], ROOT_URLCONF=__name__, LOGGING_CONFIG=None)
        django.setup()
    yield urlpatterns
    urlpatterns.clear()


urlpatterns = []


def test_handler_answers_a_django_view(handler, django_urls):
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpResponse
    from django.urls import clear_url_caches, path
    from django.views.decorators.csrf import csrf_exempt

    @csrf_exempt
    def events(request):
        reply = handler.handle(request.method, request.headers, request.body)
        return HttpResponse(reply.body, status=reply.status, headers=reply.headers)

    django_urls.append(path("eventhandler/", events))
    clear_url_caches()
    with waitress_server(get_wsgi_application()) as address:
        check_mounted(address, handler)


def chunked_environ(body):
    """What a WSGI server makes of a chunked event."""
    method, headers, _ = user_event()
    environ = {"HTTP_" + name.upper().replace("-", "_"): value for name, value in headers.items()}
    environ["CONTENT_TYPE"] = environ.pop("HTTP_CONTENT_TYPE")
    return {
        **environ,
        "REQUEST_METHOD": method,
        "PATH_INFO": PATH,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "127.0.0.1",
        "HTTP_TRANSFER_ENCODING": "chunked",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.url_scheme": "http",
    }


def status_of(app, environ):
    started = []
    response = app(environ, lambda status, headers, exc_info=None: started.append(status))
    list(response)
    response.close()
    return int(started[0][:3])


def test_event_that_a_flask_view_cannot_read_is_refused_and_not_taken_for_an_empty_one(handler):
    flask = pytest.importorskip("flask", reason="Flask is not installed")
    app = flask.Flask("chunked")

    @app.route(PATH, methods=["POST"])
    def events():
        reply = handler.handle(flask.request.method, flask.request.headers, flask.request.get_data())
        return reply.body, reply.status, reply.headers

    assert status_of(app, chunked_environ(b"hello")) == 411
    assert status_of(app, {**chunked_environ(b"hello"), "wsgi.input_terminated": True}) == 200


def test_event_that_a_django_view_cannot_read_is_refused_and_not_taken_for_an_empty_one(handler, django_urls):
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpResponse
    from django.urls import clear_url_caches, path
    from django.views.decorators.csrf import csrf_exempt

    @csrf_exempt
    def events(request):
        reply = handler.handle(request.method, request.headers, request.body)
        return HttpResponse(reply.body, status=reply.status, headers=reply.headers)

    django_urls.append(path("eventhandler/", events))
    clear_url_caches()
    # Django reads no chunked body, whatever the server says of its input.
    for terminated in (False, True):
        environ = {**chunked_environ(b"hello"), "wsgi.input_terminated": terminated}
        assert status_of(get_wsgi_application(), environ) == 411


def test_handler_answers_an_async_django_view(handler, django_urls):
    from django.core.asgi import get_asgi_application
    from django.http import HttpResponse
    from django.urls import clear_url_caches, path
    from django.views.decorators.csrf import csrf_exempt

    @csrf_exempt
    async def events(request):
        reply = await handler.handle_async(request.method, request.headers, request.body)
        return HttpResponse(reply.body, status=reply.status, headers=reply.headers)

    django_urls.append(path("eventhandler/", events))
    clear_url_caches()
    django_app = get_asgi_application()

    async def app(scope, receive, send):
        if scope["type"] == "http":
            await django_app(scope, receive, send)

    with uvicorn_server(app) as address:
        check_mounted(address, handler)


def test_handler_answers_a_quart_view(handler):
    quart = pytest.importorskip("quart", reason="Quart is not installed")
    app = quart.Quart("view")

    @app.route(PATH, methods=["OPTIONS", "POST"])
    async def events():
        request = quart.request
        reply = await handler.handle_async(request.method, request.headers, await request.get_data())
        return reply.body, reply.status, reply.headers

    with uvicorn_server(app) as address:
        check_mounted(address, handler)


def test_handler_mounts_in_quart(handler):
    quart = pytest.importorskip("quart", reason="Quart is not installed")
    app = quart.Quart("mounting")
    inner = app.asgi_app

    async def dispatch(scope, receive, send):
        mine = scope["type"] == "http" and scope["path"].startswith(PATH)
        await (handler.asgi_app if mine else inner)(scope, receive, send)

    app.asgi_app = dispatch
    with uvicorn_server(app) as address:
        check_mounted(address, handler)


def test_handler_answers_an_aiohttp_view(handler):
    web = pytest.importorskip("aiohttp.web", reason="aiohttp is not installed")

    async def events(request):
        reply = await handler.handle_async(request.method, request.headers, await request.read())
        return web.Response(body=reply.body, status=reply.status, headers=reply.headers)

    loop = asyncio.new_event_loop()
    started, stop = threading.Event(), asyncio.Event()
    addresses = []

    async def serve():
        app = web.Application()
        app.router.add_route("*", PATH, events)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        addresses.append(runner.addresses[0])
        started.set()
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert started.wait(10)
        check_mounted(addresses[0], handler)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
