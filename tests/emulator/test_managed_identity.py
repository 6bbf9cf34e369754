"""The token that the emulator signs for event handlers, held by a backend's own validation over HTTP."""

import json
import logging
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import urlopen

import jwt
import pytest
from emulator_peers import Caller, frame, tell

from azure.messaging.webpubsubservice.emulator import EventHandler, WebPubSubEmulator

RESOURCE = "api://my-backend"


class Backend(ThreadingHTTPServer):
    """Answers only who brings a token of an issuer, by what the issuer itself serves, as validation libraries do."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Requests)
        self.issuer = self.audience = None
        self.seen = []

    def validate(self, authorization):
        scheme, _, token = (authorization or "").partition(" ")
        if scheme != "Bearer":
            raise jwt.InvalidTokenError("no token")
        with urlopen(f"{self.issuer}/.well-known/openid-configuration") as answer:
            metadata = json.load(answer)
        key = jwt.PyJWKClient(metadata["jwks_uri"]).get_signing_key_from_jwt(token)
        required = ["aud", "iss", "exp", "nbf", "oid", "tid"]
        options = {"require": required}
        return jwt.decode(
            token, key.key, algorithms=["RS256"], audience=self.audience, issuer=metadata["issuer"], options=options
        )


class _Requests(BaseHTTPRequestHandler):
    def do_OPTIONS(self):
        self.answer()

    def do_POST(self):
        self.answer()

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            claims = self.server.validate(self.headers.get("Authorization"))
        except jwt.PyJWTError as error:
            self.server.seen.append((self.command, type(error).__name__))
            self.send_response(401)
            self.end_headers()
            return
        self.server.seen.append((self.command, claims["aud"]))
        self.send_response(200)
        self.send_header("WebHook-Allowed-Origin", "*")
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def backend():
    server = Backend()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def url_of(backend):
    return f"http://127.0.0.1:{backend.server_port}/"


def ask(emulator, open_socket):
    """Return the outcome of a user event: the answer of the handler, or the ack alone."""
    socket = open_socket(at=emulator)
    tell(socket, type="event", event="echo", dataType="text", data="hello", ackId=1)
    return frame(socket)


def test_backend_validates_the_token_by_what_the_emulator_serves(backend, emulator, open_socket):
    backend.issuer, backend.audience = f"{emulator.endpoint}/managed-identity", RESOURCE
    emulator.add_event_handler("chat", EventHandler(url_of(backend), managed_identity=RESOURCE))
    assert ask(emulator, open_socket)["data"] == "hello"
    assert backend.seen == [("OPTIONS", RESOURCE), ("POST", RESOURCE)]


@pytest.mark.parametrize(
    ("resource", "error"), [(None, "InvalidTokenError"), ("api://another", "InvalidAudienceError")]
)
def test_backend_refuses_who_brings_no_token_or_one_for_another(backend, emulator, open_socket, resource, error):
    backend.issuer, backend.audience = f"{emulator.endpoint}/managed-identity", RESOURCE
    emulator.add_event_handler("chat", EventHandler(url_of(backend), managed_identity=resource))
    assert ask(emulator, open_socket)["error"]["name"] == "InternalServerError"
    assert backend.seen == [("OPTIONS", error)]


def test_token_of_another_emulator_is_not_good(backend, emulator, open_socket):
    with WebPubSubEmulator() as other:
        backend.issuer, backend.audience = f"{other.endpoint}/managed-identity", RESOURCE
        emulator.add_event_handler("chat", EventHandler(url_of(backend), managed_identity=RESOURCE))
        assert ask(emulator, open_socket)["type"] == "ack"
    (seen,) = backend.seen
    assert seen in [("OPTIONS", "InvalidSignatureError"), ("OPTIONS", "InvalidIssuerError")]


def test_token_follows_the_clock_of_the_emulator(emulator, open_socket):
    heard = []

    def handler(method, headers, body):
        heard.append(jwt.decode(headers["Authorization"][7:], options={"verify_signature": False}))

    emulator.add_event_handler("chat", EventHandler(handler=handler, managed_identity=RESOURCE))
    before = emulator.clock.now()
    emulator.clock.advance(7200)
    ask(emulator, open_socket)
    assert heard[0]["exp"] - heard[0]["iat"] == 3600
    assert heard[0]["iat"] >= int(before) + 7200
    assert heard[0]["iss"] == f"{emulator.endpoint}/managed-identity"


def test_token_is_in_no_log_and_no_repr(emulator, open_socket, caplog):
    caplog.set_level(logging.DEBUG)
    tokens = []

    def handler(method, headers, body):
        tokens.append(headers["Authorization"][7:])

    emulator.add_event_handler("chat", EventHandler(handler=handler, managed_identity=RESOURCE))
    ask(emulator, open_socket)
    assert tokens[0] not in caplog.text
    assert tokens[0] not in repr(emulator.record.webhooks)
    assert emulator.record.webhooks[0].headers["Authorization"] == f"Bearer {tokens[0]}"


def test_metadata_names_the_endpoint_and_leads_to_keys_by_the_name_that_was_asked():
    with WebPubSubEmulator(endpoint="https://name.example") as emulator:
        caller = Caller(emulator)
        metadata = json.loads(caller("GET", "/managed-identity/.well-known/openid-configuration").body)
        assert metadata["issuer"] == "https://name.example/managed-identity"
        assert metadata["jwks_uri"] == "https://name.example/managed-identity/discovery/keys"
        (key,) = json.loads(caller("GET", "/managed-identity/discovery/keys").body)["keys"]
        assert (key["kty"], key["alg"], key["kid"]) == ("RSA", "RS256", "emulator")
        assert not {"d", "p", "q"} & key.keys()
        assert caller("POST", "/managed-identity/discovery/keys").status == 405
        assert caller("GET", "/managed-identity").status == 404


def test_without_the_package_the_setting_is_refused_with_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(ValueError, match="pip install cryptography"):
        EventHandler("http://h", managed_identity=RESOURCE)


def test_resource_of_the_wrong_form_is_refused():
    with pytest.raises(ValueError, match="'managed_identity' is empty"):
        EventHandler("http://h", managed_identity="")
    with pytest.raises(TypeError, match="'managed_identity' must be a str"):
        EventHandler("http://h", managed_identity=3)
