"""``pytest --live``: the tests of the fidelity table against the service of WEBPUBSUB_CONNECTION_STRING, row by row.

Tests of the emulator that only speak to it, by REST and by WebSocket, run against any service: it stands in for the
emulator in their fixtures. What needs more than a service has (its clock, its record, faults, its settings) is not
applicable, and so are tests of rules as plain values. They send to hubs of fixed names such as ``chat``, so take a
resource of its own.
"""

import http.client
import os
import socket
import ssl
import time
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from fidelity_rows import named_tests, rows

VARIABLE = "WEBPUBSUB_CONNECTION_STRING"


class LiveService:
    """A service known by its connection string alone, in the place of an emulator."""

    def __init__(self, connection_string):
        fields = dict(part.split("=", 1) for part in connection_string.split(";") if part)
        self.connection_string = connection_string
        self.endpoint = fields["Endpoint"].rstrip("/")
        self.access_key = fields["AccessKey"]

    def __getattr__(self, name):
        pytest.skip(f"not applicable: it needs the emulator's '{name}'")

    def client_url(self, hub, user_id=None, roles=(), groups=(), *, minutes_to_expire=60, client_protocol="Default"):
        from emulator_peers import sign

        path = f"{'/clients/mqtt' if client_protocol.upper() == 'MQTT' else '/client'}/hubs/{quote(hub, safe='')}"
        claims = {"sub": user_id, "role": list(roles or ()) or None, "webpubsub.group": list(groups or ()) or None}
        token = sign(self.access_key, aud=self.endpoint + path, exp=int(time.time() + minutes_to_expire * 60), **claims)
        return f"ws{(self.endpoint + path).removeprefix('http')}?access_token={token}"

    def open_socket(self, timeout):
        """Return a socket, with TLS where the endpoint has it."""
        parts = urlsplit(self.endpoint)
        secure = parts.scheme == "https"
        plain = socket.create_connection((parts.hostname, parts.port or (443 if secure else 80)), timeout=timeout)
        return ssl.create_default_context().wrap_socket(plain, server_hostname=parts.hostname) if secure else plain

    def open_http(self, timeout):
        """Return a connection for REST."""
        parts = urlsplit(self.endpoint)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        return kind(parts.netloc, timeout=timeout)


def connection_string():
    """Return that of the environment.

    :raises pytest.UsageError: if there is none.
    """
    try:
        return os.environ[VARIABLE]
    except KeyError:
        raise pytest.UsageError(f"--live needs the service's connection string in {VARIABLE}") from None


def is_of_any_service(item):
    """Whether a test of the table only speaks to the service that its fixture gives."""
    fixtures = set(item.fixturenames)
    # A log that a test reads is that of an emulator in its own process.
    return (
        item.path.parent == Path(__file__).parent / "emulator" and "emulator" in fixtures and "caplog" not in fixtures
    )


def choose(items):
    """Return the tests that the table names and any service can answer."""
    named = {name for cells in rows() for name in named_tests(cells)}
    return [item for item in items if (item.path.stem, item.originalname) in named and is_of_any_service(item)]


def verdicts(reports):
    """Say of each row what the service did, and how many of its tests say so; ``reports`` are those by outcome."""
    seen = {}
    for outcome, found in reports.items():
        for report in found:
            path, _, name = report.nodeid.partition("::")
            seen.setdefault((Path(path).stem, name.partition("[")[0]), set()).add(outcome)
    for cells in rows():
        named = named_tests(cells)
        outcomes = [seen[name] for name in named if name in seen]
        if any(each & {"failed", "error"} for each in outcomes):
            verdict = "different"
        else:
            verdict = "same" if outcomes else "not applicable"
        yield verdict, f"{len(outcomes)} of {len(named)}" if outcomes else "", cells[0]


def write_summary(terminal):
    """Print each row with what the service did."""
    reports = {outcome: terminal.getreports(outcome) for outcome in ("passed", "failed", "error")}
    terminal.section(f"docs/fidelity.md and the service of {VARIABLE}; tests of the row that were asked")
    for verdict, asked, feature in verdicts(reports):
        terminal.line(f"{verdict:<15} {asked:<7} {feature}")
