"""One handler behind each server there is: ``python served_handler.py SERVER PLACE`` serves it until it is stopped.

PLACE is the number of a listening socket that this process inherited, or the path of a Unix socket that it makes.
"""

import asyncio
import logging
import socket
import sys
from pathlib import Path

from event_requests import KEY

from azure.messaging.webpubsubservice.eventhandler import WebPubSubEventHandler

LIMIT = 1000
handler = WebPubSubEventHandler("chat", access_key=KEY, allowed_endpoints="localhost", max_body_size=LIMIT)
echoed = []
first_to_come = []


@handler.on_event("echo")
def echo(request):
    echoed.append(request.data)
    return request.data


@handler.on_event("echoed")
async def number_of_echoes(request):
    return len(echoed)


@handler.on_event("pass")
async def give_way(request):
    await asyncio.sleep(0)
    return "passed"


@handler.on_event("meet")
async def meet(request):
    """Go on when another one of these has come, which takes a server that runs both, in one event loop."""
    if not first_to_come:
        first_to_come.append(asyncio.Event())
        await first_to_come[0].wait()
    else:
        first_to_come.pop().set()
    return "met"


@handler.on_event("nothing")
def nothing(request):
    return None


@handler.on_event("user")
def user(request):
    return request.user_id


@handler.on_event("exit")
def leave(request):
    sys.exit(3)


@handler.on_event("exit later")
async def leave_later(request):
    await asyncio.sleep(0)
    sys.exit(3)


@handler.on_connected
def connected(request):
    return "a value"


asgi_app, wsgi_app = handler.asgi_app, handler.wsgi_app


def uvicorn(app, place):
    import uvicorn

    uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none")).run(sockets=[inherited(place)])


def hypercorn(app, place, mode):
    import hypercorn.asyncio
    import hypercorn.config

    config = hypercorn.config.Config()
    config.bind = [f"fd://{place}"]
    asyncio.run(hypercorn.asyncio.serve(app, config, mode=mode))


def daphne(place):
    from daphne.server import Server

    Server(asgi_app, endpoints=[f"fd:fileno={place}"], signal_handlers=False).run()


def granian(interface, place):
    import granian

    granian.Granian(f"served_handler:{interface}_app", interface=interface, uds=Path(place), log_enabled=False).serve()


def gunicorn(worker, app, place, *options):
    from gunicorn.app.wsgiapp import run

    sys.argv = [
        "gunicorn",
        "-b",
        f"fd://{place}",
        "-k",
        worker,
        "--no-control-socket",
        *options,
        f"served_handler:{app}",
    ]
    run()


def waitress(app, place):
    from waitress import serve

    serve(app, sockets=[inherited(place)], clear_untrusted_proxy_headers=True)


def cheroot(place):
    from cheroot.wsgi import Server

    server = Server(("127.0.0.1", 0), wsgi_app, numthreads=4)
    server.bind = lambda *_: setattr(server, "socket", inherited(place)) or server.socket
    server.start()


def gevent(place, *, patched):
    if patched:
        from gevent import monkey

        monkey.patch_all()
    from gevent.pywsgi import WSGIServer

    if not patched:
        from gevent import socket
    else:
        import socket
    WSGIServer(socket.socket(fileno=int(place)), wsgi_app, log=None).serve_forever()


def werkzeug(place):
    from werkzeug.serving import WSGIRequestHandler, make_server

    WSGIRequestHandler.protocol_version = "HTTP/1.1"
    make_server("127.0.0.1", 0, wsgi_app, threaded=True, fd=int(place)).serve_forever()


def wsgiref(place):
    from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

    server = WSGIServer(("127.0.0.1", 0), WSGIRequestHandler, bind_and_activate=False)
    server.socket.close()
    server.socket = inherited(place)
    server.server_name, server.server_port = server.socket.getsockname()
    server.setup_environ()
    server.set_app(wsgi_app)
    server.serve_forever()


def uwsgi(place):
    import pyuwsgi

    arguments = ["--http11-socket", f"fd://{place}", "--module", "served_handler:wsgi_app"]
    pyuwsgi.run(["--need-app", "--master", "--die-on-term", "--socket-timeout", "1", *arguments])


def wsgi_in_asgi(maker):
    if maker == "asgiref":
        from asgiref.wsgi import WsgiToAsgi as Wrapper  # answers 500 to the second request of uvicorn's connections
    elif maker == "a2wsgi":
        from a2wsgi import WSGIMiddleware as Wrapper
    else:
        import warnings

        warnings.simplefilter("ignore")
        from starlette.middleware.wsgi import WSGIMiddleware as Wrapper
    return Wrapper(wsgi_app)


def asgi_in_wsgi():
    from a2wsgi import ASGIMiddleware

    return ASGIMiddleware(asgi_app)


def functions(kind):
    """Azure Functions' host reads a request and hands it to a function, which hands it to this middleware."""
    import azure.functions as func

    middleware = func.AsgiMiddleware(asgi_app) if kind == "asgi" else func.WsgiMiddleware(wsgi_app)

    async def host(scope, receive, send):
        body, more = b"", True
        while more:
            message = await receive()
            body += message["body"]
            more = message["more_body"]
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        request = func.HttpRequest(method=scope["method"], url="http://localhost/events", headers=headers, body=body)
        try:
            if kind == "asgi":
                reply = await middleware.handle_async(request)
            else:
                reply = await asyncio.to_thread(middleware.handle, request)
        except Exception:  # what the middleware makes of 500; the host answers so
            reply = func.HttpResponse(status_code=500)
        content = reply.get_body()
        fields = [(b"content-length", str(len(content)).encode())] if reply.status_code != 204 else []
        fields += [
            (name.encode(), value.encode()) for name, value in reply.headers.items() if name.lower() != "content-length"
        ]
        await send({"type": "http.response.start", "status": reply.status_code, "headers": fields})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else content})

    async def app(scope, receive, send):
        if scope["type"] == "http":
            await host(scope, receive, send)
        else:
            await asgi_app(scope, receive, send)

    return app


def inherited(place):
    return socket.socket(fileno=int(place))


SERVERS = {
    "uvicorn": lambda place: uvicorn(asgi_app, place),
    "hypercorn": lambda place: hypercorn(asgi_app, place, "asgi"),
    "daphne": daphne,
    "granian": lambda place: granian("asgi", place),
    "gunicorn asgi": lambda place: gunicorn("asgi", "asgi_app", place),
    "gunicorn uvicorn": lambda place: gunicorn("uvicorn_worker.UvicornWorker", "asgi_app", place),
    "Functions AsgiMiddleware": lambda place: uvicorn(functions("asgi"), place),
    "a2wsgi ASGIMiddleware, waitress": lambda place: waitress(asgi_in_wsgi(), place),
    "hypercorn, WSGI": lambda place: hypercorn(wsgi_app, place, "wsgi"),
    "granian, WSGI": lambda place: granian("wsgi", place),
    "gunicorn sync": lambda place: gunicorn("sync", "wsgi_app", place),
    "gunicorn gthread": lambda place: gunicorn("gthread", "wsgi_app", place, "--threads", "4"),
    "gunicorn gevent": lambda place: gunicorn("gevent", "wsgi_app", place),
    "waitress": lambda place: waitress(wsgi_app, place),
    "cheroot": cheroot,
    "gevent.pywsgi": lambda place: gevent(place, patched=False),
    "gevent.pywsgi, patched": lambda place: gevent(place, patched=True),
    "werkzeug": werkzeug,
    "wsgiref": wsgiref,
    "uwsgi": uwsgi,
    "a2wsgi WSGIMiddleware, uvicorn": lambda place: uvicorn(wsgi_in_asgi("a2wsgi"), place),
    "asgiref WsgiToAsgi, hypercorn": lambda place: hypercorn(wsgi_in_asgi("asgiref"), place, "asgi"),
    "starlette WSGIMiddleware, uvicorn": lambda place: uvicorn(wsgi_in_asgi("starlette"), place),
    "Functions WsgiMiddleware": lambda place: uvicorn(functions("wsgi"), place),
}


class Line(logging.Formatter):
    """The handler's own lines without a traceback, so that every traceback on standard error is a server's."""

    def formatException(self, info):
        return ""


def main():
    name, place = sys.argv[1:]
    stream = logging.StreamHandler()
    stream.setFormatter(Line("handler: %(message)s"))
    logger = logging.getLogger("azure.messaging.webpubsubservice.eventhandler")
    logger.addHandler(stream)
    logger.propagate = False
    SERVERS[name](place)


if __name__ == "__main__":
    sys.modules["served_handler"] = sys.modules["__main__"]
    main()
