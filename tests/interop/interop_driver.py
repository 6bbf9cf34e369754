"""A process that runs published clients for a test: one line of JSON for each call, answer and event.

Whatever happens, a call ends: with an answer, with the process, or after ``WAIT`` seconds.
"""

import base64
import collections
import itertools
import json
import queue
import subprocess
import tempfile
import threading

WAIT = 15


class ThrownError(Exception):
    """What the published client has thrown, as a mapping."""

    def __init__(self, error):
        super().__init__(error)
        self.error = error


class Driver:
    def __init__(self, command):
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (it lives as long as the process)
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, encoding="utf-8"
        )
        self._numbers = itertools.count(1)
        self._answers = collections.defaultdict(queue.SimpleQueue)
        self._listeners = {}
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def new_handle(self):
        return next(self._numbers)

    def listen(self, handle, listener):
        """Call ``listener(event, value)`` for each event of an object."""
        self._listeners[handle] = listener

    def call(self, command, **request):
        number = next(self._numbers)
        answers = self._answers[number]
        line = json.dumps({"id": number, "command": command, **request}, default=_pack)
        with self._lock:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        try:
            answer = answers.get(timeout=WAIT)
        except queue.Empty:
            raise AssertionError(f"no answer to {request} within {WAIT} seconds; {self._last_words()}") from None
        finally:
            self._answers.pop(number, None)
        if answer is None:
            raise AssertionError(f"the process has ended: {self._last_words()}")
        if "error" in answer:
            raise ThrownError(answer["error"])
        return answer["result"]

    def close(self):
        self._process.stdin.close()
        try:
            self._process.wait(WAIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(WAIT)
        self._reader.join(WAIT)
        self._process.stdout.close()
        self._errors.close()

    def _read(self):
        for line in self._process.stdout:
            value = json.loads(line, object_hook=_unpack)
            if "id" in value:
                answers = self._answers.get(value["id"])
                if answers is not None:
                    answers.put(value)
            else:
                listener = self._listeners.get(value["on"])
                if listener is not None:
                    listener(value["event"], value["value"])
        for answers in tuple(self._answers.values()):
            answers.put(None)

    def _last_words(self):
        self._errors.seek(0)
        return self._errors.read().decode("utf-8", "replace")[-2000:] or "it has said nothing"


class Stream:
    """Bytes that the other side shall send from a stream."""

    def __init__(self, data):
        self.data = data


def _pack(value):
    if isinstance(value, Stream):
        return {"$stream": base64.b64encode(value.data).decode()}
    return {"$bytes": base64.b64encode(value).decode()}


def _unpack(value):
    return base64.b64decode(value["$bytes"]) if "$bytes" in value else value
