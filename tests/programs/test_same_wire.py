"""A program written for 1.3.0 runs with this library as it is, and puts the same requests on the wire."""

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import jwt
import pytest
from colours import headers_of
from interop.interop_packages import python_with
from local_servers import HttpServer, answer

import azure.messaging.webpubsubservice as package

PROGRAM = Path(__file__).with_name("program_1_3.py")
ROOT = Path(package.__file__).parents[3]
# What tells a run, a library or an HTTP library from another.
LEFT_OUT = {"authorization", "user-agent", "x-ms-client-request-id", "accept-encoding", "connection", "host"}
MEMBERS = {"value": [{"connectionId": "c1", "userId": "ada"}, {"connectionId": "c2"}]}


def respond(request):
    path = urlsplit(request.target).path
    if "nobody" in path or path.endswith("/groups/g"):
        return answer("404 Not Found", x_ms_error_code="Warning.Nothing")
    if "forbidden" in path:
        return answer("403 Forbidden", b'{"code":"No","message":"no"}', Content_Type="application/json")
    if "unauthorized" in path:
        return answer("401 Unauthorized", WWW_Authenticate="Bearer")
    if request.method == "GET":
        return answer("200 OK", json.dumps(MEMBERS).encode(), Content_Type="application/json")
    if request.method == "DELETE":
        return b"HTTP/1.1 204 No Content\r\n\r\n"
    if request.method == "POST":
        return answer("202 Accepted") if path.endswith(":send") else b"HTTP/1.1 204 No Content\r\n\r\n"
    return answer("200 OK")


def run(interpreter, *, isolated):
    with HttpServer(respond) as server:
        done = subprocess.run(
            [interpreter, *(["-I"] if isolated else []), str(PROGRAM), server.url],
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
            env={**os.environ, **({} if isolated or ROOT.name == "site-packages" else {"PYTHONPATH": str(ROOT)})},
        )
        assert done.returncode == 0, done.stderr[-3000:]
        said = json.loads(done.stdout.replace(str(server.port), "PORT"))
        return said, [wire(each, server.url) for each in server.requests]


def wire(request, url):
    """Return what of a request means something to the service."""
    headers = headers_of(request)
    scheme, _, token = headers["authorization"].partition(" ")
    audience = jwt.decode(token, options={"verify_signature": False})["aud"]
    parts = urlsplit(request.target)
    kept = {name: value for name, value in headers.items() if name not in LEFT_OUT}
    if not request.body:
        kept.pop("content-length", None)  # some write a 0, some nothing
    return {
        "method": request.method,
        "path": unquote(parts.path),  # requests and aiohttp take some escapes back
        "query": sorted(parse_qsl(parts.query, keep_blank_values=True)),
        "headers": kept,
        "body": request.body,
        "scheme": scheme,
        "audience": urlsplit(audience).path.replace("%20", " ").replace("%40", "@"),
        "host": audience.startswith(url),
    }


@pytest.mark.interop
@pytest.mark.skipif(sys.version_info >= (3, 14), reason="1.3.0 is not tried with later versions")
def test_program_of_1_3_0_does_the_same_with_this_library():
    published = python_with("azure-messaging-webpubsubservice==1.3.0", "aiohttp")
    said_before, before = run(published, isolated=True)
    said, now = run(sys.executable, isolated=False)
    assert len(before) == len(now) > 100
    for old, new in zip(before, now, strict=True):
        # 1.3.0 says nothing of what it accepts where no body comes; requests then puts a star, as does aiohttp.
        accepted = new["headers"].pop("accept", "*/*")
        assert old["headers"].pop("accept", "*/*") in ("*/*", accepted)
        assert new == old
    assert said == said_before
