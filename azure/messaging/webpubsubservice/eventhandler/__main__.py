"""The doctor: ask a running event handler what the service would ask, and say what the service would make of it.

``webpubsub doctor`` is the same under another name. Only this file sends; ``_doctor`` decides what an answer means.
The access key is never shown.
"""

from __future__ import annotations

import argparse
import http.client
import json
import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from urllib.parse import quote, urlsplit

from . import _doctor
from ._doctor import LARGEST_ANSWER, Answer, Finding
from ._protection import check_keys, host_name, sign

_PROGRAM = "python -m azure.messaging.webpubsubservice.eventhandler"
_EPILOG = """examples:
  %(prog)s http://localhost:3000/eventhandler
  %(prog)s "http://localhost:3000/eventhandler/{event}" --hub chat --origin localhost
"""
_STRANGER = "stranger.webpubsub.invalid"
_JSON = "application/json; charset=utf-8"
_CONNECT_BODY = json.dumps(
    {"claims": {}, "query": {}, "headers": {}, "subprotocols": [], "clientCertificates": []}
).encode()


class Doctor:
    """One examination of one handler: the same connection id throughout, and the state the handler sets."""

    def __init__(self, url: str, *, origin: str, hub: str, event: str, key: str | None, timeout: float) -> None:
        self._url = url
        self._origin = origin
        self._hub = hub
        self._event = event
        self._key = check_keys(key)[0] if key else None
        self._timeout = timeout
        self._connection_id = "doctor-" + secrets.token_hex(8)
        self._state: str | None = None
        self._count = 0

    def examine(self) -> Iterator[Finding]:
        """Yield the findings, one exchange after the other; stop at the first that gets no answer."""
        signed = self._key is not None
        try:
            yield from _doctor.judge_handshake(self._ask_origin(self._origin), self._origin)
            yield from _doctor.judge_stranger(self._ask_origin(_STRANGER), _STRANGER)
            answer = self._send("sys", "connect", _JSON, _CONNECT_BODY)
            yield from _doctor.judge_connect(answer, signed=signed)
            yield from _doctor.judge_notification(
                self._send("sys", "connected", _JSON, b"{}"), "connected", signed=signed
            )
            for content_type, body, subject in (
                ("text/plain; charset=utf-8", b"text from the doctor", "user event, text"),
                (_JSON, b'{"from":"the doctor"}', "user event, JSON"),
                ("application/octet-stream", b"\x00\xff", "user event, binary"),
            ):
                answer = self._send("user", self._event, content_type, body)
                yield from _doctor.judge_user_event(answer, subject, signed=signed)
            answer = self._send("sys", "disconnected", _JSON, b'{"reason":"the doctor is done"}')
            yield from _doctor.judge_notification(answer, "disconnected", signed=signed)
            if signed:
                forged = self._send("sys", "connected", _JSON, b"{}", signature="sha256=" + "0" * 64)
                yield from _doctor.judge_forged(forged)
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = str(error) or type(error).__name__
            yield Finding("FAIL", "connection", f"no answer: {reason}", _remedy(error))

    def _ask_origin(self, origin: str) -> Answer:
        headers = {"WebHook-Request-Origin": origin, "ce-awpsversion": "1.0"}
        answer = self._exchange("OPTIONS", "validate", headers, b"")
        if answer.status == 404:  # noqa: PLR2004 - the service then tries GET
            answer = self._exchange("GET", "validate", headers, b"")
        return answer

    def _send(self, kind: str, name: str, content_type: str, body: bytes, signature: str = "") -> Answer:
        now = datetime.now(timezone.utc)
        headers = {
            "Content-Type": content_type,
            "WebHook-Request-Origin": self._origin,
            "ce-specversion": "1.0",
            "ce-awpsversion": "1.0",
            "ce-type": f"azure.webpubsub.{kind}.{name}",
            "ce-source": f"/hubs/{self._hub}/client/{self._connection_id}",
            "ce-id": str(self._count),
            "ce-time": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "ce-hub": self._hub,
            "ce-connectionId": self._connection_id,
            "ce-eventName": name,
        }
        self._count += 1
        if self._key:
            # Two signatures, as a service with two keys sends them; one that matches is enough.
            other = sign(secrets.token_bytes(32), self._connection_id)
            headers["ce-signature"] = signature or f"{other},{sign(self._key, self._connection_id)}"
        if self._state:
            headers["ce-connectionState"] = self._state
        answer = self._exchange("POST", name, headers, body)
        if name == "connect" or kind == "user":
            state = _doctor.states_of(answer)
            self._state = self._state if state is None else state
        return answer

    def _exchange(self, method: str, event: str, headers: dict[str, str], body: bytes) -> Answer:
        filled = self._url.replace("{hub}", quote(self._hub, "")).replace("{event}", quote(event, ""))
        url = urlsplit(filled)
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        connection = kind(url.hostname or "", url.port, timeout=self._timeout)
        begin = time.monotonic()
        try:
            target = (url.path or "/") + (f"?{url.query}" if url.query else "")
            connection.request(method, target, body, headers)
            response = connection.getresponse()
            content = response.read(LARGEST_ANSWER + 1)
            return Answer(response.status, response.getheaders(), content, time.monotonic() - begin)
        finally:
            connection.close()


def _remedy(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "start the handler, and check host and port"
    if isinstance(error, TimeoutError):
        return "answer sooner, or give it more time with --timeout"
    if isinstance(error, http.client.HTTPException):
        return "check that an HTTP server listens there, and whether the scheme is http or https"
    return "check scheme, host and port of the URL, and the certificate if it is https"


def main(arguments: Sequence[str] | None = None, *, program: str = _PROGRAM) -> int:
    """Examine a handler and write the report; return 0 if the service can use it, else 1."""
    parser = argparse.ArgumentParser(
        prog=program,
        description="Examine a running event handler: the handshake, then a sample of each event for a connection of "
        "its own. The handler's functions really run.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "url", metavar="URL", help="URL template as the service has it; {hub} and {event} are filled in"
    )
    parser.add_argument("--origin", default="localhost", metavar="HOST", help="host name of the service (%(default)s)")
    parser.add_argument("--access-key", metavar="K", help="access key to sign the events with; not shown")
    parser.add_argument("--hub", default="chat", help="hub the events are from (%(default)s)")
    parser.add_argument("--event", default="message", help="name of the user event (%(default)s)")
    parser.add_argument("--timeout", type=float, default=10.0, metavar="S", help="seconds for an answer (%(default)s)")
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        # Their names alone: a value may be the key.
        names = (each.partition("=")[0] if each.startswith("-") else "..." for each in unknown)
        parser.error(f"there is no argument {' '.join(names)}")
    try:
        url = urlsplit(options.url)
        usable = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        usable = False
    if not usable:
        parser.error("URL must begin with http:// or https:// and name a host")
    if not host_name(options.origin):
        parser.error("--origin must be a host name")
    faults = 0
    try:
        doctor = Doctor(
            options.url,
            origin=options.origin,
            hub=options.hub,
            event=options.event,
            key=options.access_key,
            timeout=options.timeout,
        )
    except ValueError:
        parser.error("--access-key holds a character that UTF-8 cannot carry, or is blank: copy the key again")
    said = {""}
    for finding in doctor.examine():
        faults += finding.level == "FAIL"
        sys.stdout.write(f"{finding.level:4}  {finding.subject:19}  {finding.text}\n")
        if finding.remedy not in said:
            said.add(finding.remedy)
            sys.stdout.write(f"{'':27}mend: {finding.remedy}\n")
        sys.stdout.flush()
    verdict = "the service can use this handler" if not faults else f"{faults} to mend"
    sys.stdout.write(f"{verdict}\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
