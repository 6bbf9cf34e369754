"""The command against the emulator of the process, as a process or in this one."""

import io
import socket
import sys

import pytest
import terminals


@pytest.fixture
def connection_string(service):
    return service.connection_string


@pytest.fixture
def webpubsub(connection_string):
    """Runs the command as a process, on the emulator."""

    def run(*arguments, **more):
        return terminals.run(*arguments, **{"connection_string": connection_string, **more})

    return run


@pytest.fixture
def subscribed(connection_string):
    """Starts ``webpubsub subscribe`` on the emulator; it is connected."""

    def start(hub, *arguments, **more):
        return terminals.subscribed(hub, *arguments, **{"connection_string": connection_string, **more})

    return start


@pytest.fixture
def here(connection_string, monkeypatch, capfd):
    """Runs the command in this process, which is quicker: returns exit status, standard output, standard error."""
    from azure.messaging.webpubsubservice.command import main

    monkeypatch.setenv(terminals.VARIABLE, connection_string)

    def run(*arguments, stdin=b""):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        try:
            status = main(arguments)
        except SystemExit as end:
            status = end.code
        return (status, *capfd.readouterr())

    return run


@pytest.fixture
def listener(sockets, service, hub):
    """A client in the test's hub that receives bare frames."""

    def open_(**claims):
        return sockets(service.client_url(hub, **claims), None)

    return open_


@pytest.fixture
def nobody():
    """The connection string of a service that is not there."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return f"Endpoint=http://127.0.0.1:{port};AccessKey=ABC;"
