import sys
import urllib.request

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azure.messaging.webpubsubservice._configuration import Environment
from azure.messaging.webpubsubservice._connection_options import ConnectionOptions, without_password


def options(environ, **given):
    nothing = dict.fromkeys(("connection_timeout", "read_timeout", "connection_verify", "connection_cert", "proxies"))
    environment = Environment(environ)
    return ConnectionOptions(**{**nothing, "use_env_settings": True, "environment": environment, **given})


class LookedUp(dict):
    """An environment that notes which names are looked up, and refuses to be copied or iterated."""

    def __init__(self, *args):
        super().__init__(*args)
        self.names = set()

    def __contains__(self, name):
        self.names.add(name)
        return super().__contains__(name)

    def _refuse(self, *_):
        raise AssertionError("the whole environment was read")

    __iter__ = items = keys = values = copy = _refuse


@pytest.mark.parametrize(
    ("environ", "scheme", "expected"),
    [
        ({}, "https", None),
        ({"HTTPS_PROXY": "http://p:1"}, "https", "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1"}, "http", None),
        ({"https_proxy": "http://low:1", "HTTPS_PROXY": "http://up:1"}, "https", "http://low:1"),
        ({"https_proxy": "", "HTTPS_PROXY": "http://up:1"}, "https", None),
        ({"HTTP_PROXY": "http://p:1"}, "http", "http://p:1"),
        ({"HTTP_PROXY": "http://p:1", "REQUEST_METHOD": "GET"}, "http", None),
        ({"http_proxy": "http://p:1", "REQUEST_METHOD": "GET"}, "http", "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1", "REQUEST_METHOD": "GET"}, "https", "http://p:1"),
        ({"ALL_PROXY": "socks5://p:1"}, "https", "socks5://p:1"),
        ({"ALL_PROXY": "http://all:1", "HTTPS_PROXY": "http://p:1"}, "https", "http://p:1"),
        ({"HTTPS_PROXY": "proxy:3128"}, "https", "http://proxy:3128"),
        ({"HTTPS_PROXY": " http://p:1 "}, "https", "http://p:1"),
    ],
)
def test_environment_names_the_proxy_of_a_scheme(environ, scheme, expected):
    assert options(environ).proxy_for(scheme, "service.example", 8080) == expected


@pytest.mark.parametrize(
    ("no_proxy", "host", "port", "exempt"),
    [
        ("service.example", "service.example", 443, True),
        ("SERVICE.example", "service.EXAMPLE", 443, True),
        ("example", "service.example", 443, True),
        (".example", "service.example", 443, True),
        ("other, service.example ", "service.example", 443, True),
        ("vice.example", "service.example", 443, False),
        ("service.example", "example", 443, False),
        ("service.example:8443", "service.example", 8443, True),
        ("service.example:8443", "service.example", 443, False),
        ("*", "service.example", 443, True),
        ("*", "10.0.0.1", 443, True),
        ("", "service.example", 443, False),
        (",,", "service.example", 443, False),
        ("10.0.0.1", "10.0.0.1", 443, True),
        ("10.0.0.1:443", "10.0.0.1", 443, True),
        ("10.0.0.1:444", "10.0.0.1", 443, False),
        ("10.0.0.0/8", "10.9.8.7", 443, True),
        ("10.0.0.0/8", "11.9.8.7", 443, False),
        ("10.0.0.0/8", "service.example", 443, False),
        ("::1", "::1", 443, True),
        ("[::1]", "::1", 443, True),
        ("[::1]:443", "::1", 443, True),
        ("fd00::/8", "fd12::1", 443, True),
        ("fd00::/8", "fe12::1", 443, False),
        ("not/an/address", "10.0.0.1", 443, False),
    ],
)
def test_no_proxy_exempts_hosts_suffixes_ports_addresses_and_networks(no_proxy, host, port, exempt):
    environment = options({"HTTPS_PROXY": "http://p:1", "NO_PROXY": no_proxy})
    assert environment.proxy_for("https", host, port) == (None if exempt else "http://p:1")


def test_no_proxy_in_lower_case_wins():
    environ = {"HTTPS_PROXY": "http://p:1", "no_proxy": "a.example", "NO_PROXY": "b.example"}
    environment = options(environ)
    assert environment.proxy_for("https", "a.example", 443) is None
    assert environment.proxy_for("https", "b.example", 443) == "http://p:1"


@pytest.mark.parametrize(
    ("explicit", "expected"),
    [
        ({"https": "http://mine:1"}, "http://mine:1"),
        ({"https": "mine:1"}, "http://mine:1"),
        ({"all": "http://mine:1"}, "http://mine:1"),
        ({"https://service.example": "http://host:1", "https": "http://mine:1"}, "http://host:1"),
        ({"all://service.example": "http://host:1", "all": "http://mine:1"}, "http://host:1"),
        ({"http": "http://mine:1"}, "http://env:1"),
        ({"https": ""}, None),
        ({"https": None}, None),
        ({"no_proxy": "service.example"}, None),
        ({}, "http://env:1"),
        (None, "http://env:1"),
    ],
)
def test_explicit_proxies_come_before_those_of_the_environment(explicit, expected):
    environment = options({"HTTPS_PROXY": "http://env:1"})
    assert environment.proxy_for("https", "service.example", 443, explicit) == expected


def test_explicit_proxies_know_no_exceptions():
    environment = options({"NO_PROXY": "*"})
    assert environment.proxy_for("https", "service.example", 443, {"https": "http://mine:1"}) == "http://mine:1"


def test_environment_is_looked_up_and_never_copied_or_iterated():
    environ = LookedUp({f"VARIABLE_{number}": "x" for number in range(150)})
    environ["HTTPS_PROXY"] = "http://p:1"
    assert options(environ).proxy_for("https", "h", 443) == "http://p:1"
    assert len(environ.names) == 13


def test_environment_is_settled_when_it_is_read():
    environ = {}
    environment = options(environ)
    environ["HTTPS_PROXY"] = "http://p:1"
    assert environment.proxy_for("https", "h", 443) is None


def test_repr_shows_no_password():
    environ = {"HTTPS_PROXY": "http://me:secret@p:1", "http_proxy": "me:secret@p:1", "ALL_PROXY": "http://p:2"}
    shown = repr(Environment(environ))
    assert shown == "<Environment ALL_PROXY, HTTPS_PROXY, http_proxy>"


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_systems_own_proxies_count_where_the_environment_names_none(platform, monkeypatch):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(urllib.request, "getproxies", lambda: {"https": "http://system:1"})
    monkeypatch.setattr(urllib.request, "proxy_bypass", lambda host: host == "local.example")
    assert options({}).proxy_for("https", "h.example", 443) == "http://system:1"
    assert options({}).proxy_for("http", "h.example", 80) is None
    assert options({}).proxy_for("https", "local.example", 443) is None
    assert options({"https_proxy": "http://mine:1"}).proxy_for("https", "local.example", 443) == "http://mine:1"
    assert options({"http_proxy": "http://mine:1"}).proxy_for("https", "h.example", 443) is None
    assert options({}, use_env_settings=False).proxy_for("https", "h.example", 443) is None


@settings(max_examples=50)
@given(
    user=st.text(st.characters(codec="ascii", exclude_characters="@/"), min_size=1),
    scheme=st.sampled_from(["http://", "socks5://", ""]),
)
def test_a_proxys_user_information_is_never_shown(user, scheme):
    assert without_password(f"{scheme}{user}@host:1") == f"{scheme}***@host:1"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://user:h://unter2@host:8", "http://***@host:8"),
        ("user:h://unter2@host:8", "***@host:8"),
        ("http://user:a/b@host", "http://***@host"),
    ],
)
def test_no_part_of_an_odd_password_is_shown(url, shown):
    assert without_password(url) == shown
