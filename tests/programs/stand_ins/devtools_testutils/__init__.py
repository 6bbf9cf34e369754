"""Stands in for the test tools of the published library's repository: the emulator in place of a recording."""

import os
import time

import pytest
from azure.core.credentials import AccessToken


@pytest.fixture(scope="session")
def test_proxy():
    """Nothing is recorded."""


class Credential:
    """An identity that the emulator takes."""

    def get_token(self, *_, **__):
        return AccessToken("an-entra-token", int(time.time()) + 3600)


class AsyncCredential(Credential):
    async def get_token(self, *_, **__):
        return super().get_token()

    async def close(self):
        pass

    async def __aexit__(self, *_):
        pass


class AzureRecordedTestCase:
    """What their test classes extend."""

    def get_credential(self, _, *, is_async=False):
        return AsyncCredential() if is_async else Credential()

    def create_client_from_credential(self, kind, credential, **options):
        return kind(credential=credential, **options)

    def is_playback(self):
        return False


def recorded_by_proxy(test):
    return test


def PowerShellPreparer(prefix, **_):
    """Give a test, for each ``prefix_name`` that it asks for, the environment's ``NAME``."""

    def prepared(test):
        wanted = [
            name for name in test.__code__.co_varnames[: test.__code__.co_argcount] if name.startswith(f"{prefix}_")
        ]
        if test.__code__.co_flags & 0x08:  # it takes any
            wanted = [f"{prefix}_connection_string", f"{prefix}_endpoint"]
        given = {name: os.environ[name.removeprefix(f"{prefix}_").upper()] for name in wanted}

        if test.__code__.co_flags & 0x80:  # async def

            async def run_async(self):
                return await test(self, **given)

            return _named(run_async, test)

        def run(self):
            return test(self, **given)

        return _named(run, test)

    return prepared


def _named(run, test):
    # Not functools.wraps: pytest would see the test's own arguments.
    run.__name__ = test.__name__
    return run
