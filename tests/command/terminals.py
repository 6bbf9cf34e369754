"""The command as its users have it: processes, with what they write read line by line."""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading

PROGRAM = [sys.executable, "-W", "error", "-m", "azure.messaging.webpubsubservice"]
VARIABLE = "WEBPUBSUB_CONNECTION_STRING"
WAIT = 30


def environment(connection_string=None, **more):
    """The environment of a process: of the service's variables only the one given."""
    kept = {name: value for name, value in os.environ.items() if name != VARIABLE}
    if connection_string is not None:
        kept[VARIABLE] = connection_string
    return {**kept, "PYTHONIOENCODING": "utf-8", **more}


def run(*arguments, connection_string=None, stdin=None, program=PROGRAM, **more):
    """Run the command to its end; ``stdin`` is bytes."""
    done = subprocess.run(
        [*program, *arguments],
        capture_output=True,
        timeout=WAIT,
        check=False,
        env=environment(connection_string, **more),
        **({"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}),
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


class Lines:
    """The lines of a pipe, read by a thread, so that one can wait for the next with a limit."""

    def __init__(self, pipe):
        self._lines = queue.Queue()
        self._thread = threading.Thread(target=self._read, args=(pipe,))
        self._thread.start()

    def _read(self, pipe):
        for line in pipe:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def next(self):
        """The next line; None at the end."""
        return self._lines.get(timeout=WAIT)

    def rest(self):
        """All lines that still come."""
        return list(iter(self.next, None))

    def join(self):
        self._thread.join(WAIT)


class Terminal:
    """A command that runs: its lines, and Ctrl-C."""

    def __init__(self, process):
        self.process = process
        self.out = Lines(process.stdout)
        self.err = Lines(process.stderr)

    def interrupt(self):
        """Press Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def end(self):
        """Wait for the end and return the exit status."""
        return self.process.wait(WAIT)


@contextlib.contextmanager
def started(*arguments, connection_string=None, program=PROGRAM, **more):
    """The command, running; it is killed at the end of the block if it still does."""
    with subprocess.Popen(
        [*program, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=environment(connection_string, **more),
    ) as process:
        terminal = Terminal(process)
        try:
            yield terminal
        finally:
            process.kill()
            terminal.out.join()
            terminal.err.join()


@contextlib.contextmanager
def subscribed(hub, *arguments, **more):
    """``webpubsub subscribe``, connected."""
    with started("subscribe", hub, *arguments, **more) as terminal:
        terminal.welcome = terminal.err.next()
        assert terminal.welcome.startswith("Connected to "), terminal.welcome
        yield terminal
