"""Every example of where a handler is mounted fits every example of the URL that events are sent to."""

import logging
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from event_requests import KEY, exchange, preflight, user_event, uvicorn_server, waitress_server

from azure.messaging.webpubsubservice import emulator, eventhandler
from azure.messaging.webpubsubservice.eventhandler import WebPubSubEventHandler
from azure.messaging.webpubsubservice.eventhandler.__main__ import main as examine

ROOT = Path(__file__).parent.parent.parent
PACKAGE = Path(eventhandler.__file__).parent.parent
FILES = [
    ROOT / "README.md",
    *sorted((ROOT / "samples").rglob("*.md")),
    *sorted((ROOT / "samples").rglob("*.py")),
    *sorted((ROOT / "docs").rglob("*.rst")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted(PACKAGE.rglob("*.py")),
]
TEXTS = {
    str(file.relative_to(ROOT if file.is_relative_to(ROOT) else PACKAGE)): file.read_text("utf-8") for file in FILES
}
# With a scheme, or after a variable that has the address.
URL = re.compile(r"""(?:https?://[^\s"'`/]+|[{]\w+[}])(/eventhandler[^\s"'`,;)]*)|EventHandler\(\s*"(/[^"]*)""")
MOUNTED = re.compile(r"^ *(app\.[^\n]*handler\.(?:asgi|wsgi)_app[^\n]*)$", re.MULTILINE)


def paths():
    """Where events are sent to, in all examples, and in the three forms that people write."""
    found = {first or second for text in TEXTS.values() for first, second in URL.findall(text)}
    return sorted({*found, "/eventhandler", "/eventhandler/", "/eventhandler/{hub}/{event}"})


def mounts(word):
    """The lines of all examples that mount a handler so."""
    lines = {line for text in TEXTS.values() for line in MOUNTED.findall(text) if word in line}
    assert lines
    return sorted(lines)


def test_examples_are_found():
    names = {name for name, text in TEXTS.items() if URL.search(text)}
    assert {"docs/receive-events.md", "samples/chat_fastapi.py", "samples/chat_flask.py"} <= names
    assert any(name.endswith("emulator/__main__.py") for name in names)
    assert any(name.endswith("eventhandler/__main__.py") for name in names)


def test_no_example_mounts_a_handler_where_only_a_slash_finds_it():
    assert [
        name for name, text in TEXTS.items() if re.search(r"^ *app\.mount\([^\n]*asgi_app", text, re.MULTILINE)
    ] == []


@pytest.fixture
def handler():
    handler = WebPubSubEventHandler("chat", access_key=KEY, allowed_endpoints="localhost")
    handler.on_event(lambda event: "here")
    return handler


def check(address):
    for template in paths():
        path = urlsplit(template).path.replace("{hub}", "chat").replace("{event}", "message")
        method, headers = preflight("localhost")
        assert exchange(address, method, path, headers)[0] == 200, path
        method, headers, body = user_event()
        assert exchange(address, method, path, headers, body)[::2] == (200, b"here"), path


@pytest.mark.parametrize("line", mounts("Route"))
@pytest.mark.parametrize("framework", ["fastapi.FastAPI", "starlette.applications.Starlette"])
def test_asgi_examples_take_every_url(handler, framework, line):
    module, _, name = framework.rpartition(".")
    app = getattr(pytest.importorskip(module, reason=f"{module} is not installed"), name)()
    from starlette.routing import Route

    exec(line, {"app": app, "handler": handler, "Route": Route})
    with uvicorn_server(app) as address:
        check(address)


@pytest.mark.parametrize("line", mounts("DispatcherMiddleware"))
def test_flask_example_takes_every_url(handler, line):
    flask = pytest.importorskip("flask", reason="Flask is not installed")
    from werkzeug.middleware.dispatcher import DispatcherMiddleware

    app = flask.Flask("examples")
    exec(line.partition("``")[0], {"app": app, "handler": handler, "DispatcherMiddleware": DispatcherMiddleware})
    with waitress_server(app) as address:
        check(address)


def test_django_example_takes_every_url(handler):
    django = pytest.importorskip("django", reason="Django is not installed")
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.test import override_settings

    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["127.0.0.1"], ROOT_URLCONF="test_mounting", LOGGING_CONFIG=None)
        django.setup()
    block = re.search(r"In Django:\n\n.. code-block:: python\n\n(.*?)\n\n\S", eventhandler.__doc__, re.DOTALL)[1]
    names = {"handler": handler, "__name__": "example"}
    exec(re.sub("^    ", "", block, flags=re.MULTILINE), names)
    urls = type("urls", (), {"urlpatterns": names["urlpatterns"]})
    with override_settings(ROOT_URLCONF=urls), waitress_server(get_wsgi_application()) as address:
        check(address)


@pytest.fixture
def redirecting(handler):
    """The address of an application that finds the handler with a slash at the end alone."""
    fastapi = pytest.importorskip("fastapi", reason="FastAPI is not installed")
    app = fastapi.FastAPI()
    app.mount("/eventhandler", handler.asgi_app)
    with uvicorn_server(app) as (host, port):
        yield f"http://{host}:{port}"


def test_doctor_names_the_url_that_a_redirect_points_to_and_a_remedy_once(redirecting, capsys):
    assert examine([f"{redirecting}/eventhandler", "--access-key", KEY]) == 1
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert f"answers 307, a redirect to {redirecting}/eventhandler/" in lines[0]
    remedies = [line for line in lines if line.startswith("mend: ")]
    assert len(remedies) == len(set(remedies))
    assert remedies[0] == "mend: register the URL it redirects to: often a slash at the end is missing, or one too many"
    assert examine([f"{redirecting}/eventhandler/", "--access-key", KEY]) == 0


def test_emulators_log_names_the_url_that_a_redirect_points_to(redirecting, caplog):
    pytest.importorskip("aiohttp", reason="the emulator's packages are not installed")
    caplog.set_level(logging.INFO)
    events = emulator.EventHandler(f"{redirecting}/eventhandler?code=secret", system_events=["connect"])
    with (
        emulator.WebPubSubEmulator(access_key=KEY, event_handlers={"chat": events}) as service,
        pytest.raises(emulator.ClientRefusedError) as refused,
        service.connect("chat"),
    ):
        pass
    assert refused.value.status == 500
    said = "".join(record.getMessage() for record in caplog.records if record.name.startswith(emulator.__name__))
    assert f"failed: 307, a redirect to '{redirecting}/eventhandler/', which is not followed" in said
    assert "secret" not in said
