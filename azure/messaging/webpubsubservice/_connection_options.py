"""What both HTTP transports are told: limits, proxies, TLS. No I/O here but reading certificate files."""

from __future__ import annotations

import os
import re
import socket
import ssl
import sys
from base64 import b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple
from urllib import request as urllib_request
from urllib.parse import quote, unquote, urlsplit

Verify = bool | str
Certificate = str | tuple[str, str]
Proxies = Mapping[str, str]

KEEPALIVE_SECONDS = 60.0
"""How long a connection may rest and still be used again: load balancers forget it after some minutes, silently."""
# Send small writes at once, and find out whether the peer is still there before a load balancer forgets it.
SOCKET_OPTIONS = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
for _name, _value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
    if hasattr(socket, _name):
        SOCKET_OPTIONS.append((socket.IPPROTO_TCP, getattr(socket, _name), _value))
_DEFAULT_PORTS = {"http": 80, "https": 443}
_URL = re.compile(r"([a-zA-Z]+://[^/?#]*)([^#]*)", re.DOTALL)
_HOST = re.compile(r"[\w.~!$&'()*+,;=%:\[\]-]+")
_PRINTABLE = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"  # letters and digits are never quoted


class Url(NamedTuple):
    """The parts of a URL up to its path: an origin's, or a proxy's."""

    scheme: str
    host: str
    port: int
    netloc: str
    """Host and port, as they were given."""
    user: str
    password: str

    @property
    def host_and_port(self) -> str:
        """Both, an address of IPv6 in its brackets."""
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def proxy_headers(self) -> dict[str, str]:
        """What tells a proxy user name and password."""
        token = b64encode(f"{self.user}:{self.password}".encode()).decode()
        return {"Proxy-Authorization": f"Basic {token}"} if self.user else {}


@dataclass
class Route:
    """The way to an origin."""

    url: Url
    where: str
    """Its name in errors."""
    proxy: Url | None
    tls: ssl.SSLContext | None
    proxy_tls: ssl.SSLContext | None
    connections: Any = None
    """What the transport keeps for it."""

    def __post_init__(self) -> None:
        self.origin = f"{self.url.scheme}://{self.url.netloc}"
        self.forwards = self.proxy is not None and self.tls is None
        """Whether there is a proxy that forwards requests, instead of the bytes of a connection."""


class ConnectionOptions:
    """The options of a transport, settled when it is made; the keywords are those of the client."""

    def __init__(
        self,
        *,
        connection_timeout: float | None = None,
        read_timeout: float | None = None,
        connection_verify: Verify | None = None,
        connection_cert: Certificate | None = None,
        proxies: Proxies | None = None,
        use_env_settings: bool = True,
        environment: Mapping[str, str] | None = None,
        connection_data_block_size: int = 4096,
        max_connections: int | None = None,
    ) -> None:
        if max_connections is not None and max_connections < 1:
            raise ValueError(f"max_connections must be a number above 0, not {max_connections!r}")
        self.connection_timeout = connection_timeout or 5.0
        self.read_timeout = read_timeout or 10.0
        self.max_connections = max_connections or 100
        self.block_size = connection_data_block_size
        self._verify: Verify = True if connection_verify is None else connection_verify
        self._cert = connection_cert
        self._proxies = dict(proxies or {})
        self._uses_system = use_env_settings
        self._variables = (dict(os.environ) if environment is None else environment) if use_env_settings else {}
        self._contexts: dict[Any, ssl.SSLContext] = {}

    def route(self, origin: str, proxies: Proxies | None, verify: Verify | None, cert: Certificate | None) -> Route:
        """Return the way to the origin of a URL; None stands for the transport's own setting."""
        url = _parse(origin)
        if url is None or url.scheme not in _DEFAULT_PORTS or "@" in origin:
            raise ValueError(
                "The URL of the request must start with 'http://' or 'https://' and a host, and hold no user name or"
                " password"
            )
        where = f"{url.scheme}://{url.host_and_port}"
        proxy_url = self.proxy_for(url.scheme, url.host, url.port, proxies)
        proxy = None
        if proxy_url is not None:
            where = f"{where} through the proxy {without_password(proxy_url)}"
            proxy = _parse(proxy_url)
            if proxy is None or proxy.scheme not in _DEFAULT_PORTS:
                raise ValueError(
                    f"The proxy's URL must start with 'http://' or 'https://', and name a host: {where} (for a SOCKS"
                    f" proxy give the client transport=RequestsTransport(), with PySocks installed)"
                )
        tls = self.tls_context(verify, cert) if url.scheme == "https" else None
        proxy_tls = self.tls_context(verify) if proxy is not None and proxy.scheme == "https" else None
        return Route(url, where, proxy, tls, proxy_tls)

    def proxy_for(self, scheme: str, host: str, port: int, proxies: Proxies | None = None) -> str | None:
        """Return the URL of the proxy for an origin, None for a direct connection.

        Explicit proxies come first, those of the call before the client's, and know no exceptions; an empty one means
        none. What they leave open, the environment decides, and where that names no proxy at all, Windows or macOS.
        """
        explicit = {**self._proxies, **(proxies or {})}
        for key in (f"{scheme}://{host}", scheme, f"all://{host}", "all"):
            if key in explicit:
                return _with_scheme(explicit[key])
        found = {name: self._proxy_variable(name) for name in ("http", "https", "all")}
        if any(found.values()):
            no_proxy = explicit.get("no_proxy") or self._variables.get("no_proxy") or self._variables.get("NO_PROXY")
            return None if _is_exempt(host, port, no_proxy or "") else _with_scheme(found[scheme] or found["all"])
        if self._uses_system and sys.platform in ("win32", "darwin"):
            return None if urllib_request.proxy_bypass(host) else _with_scheme(urllib_request.getproxies().get(scheme))
        return None

    def _proxy_variable(self, name: str) -> str | None:
        # Lower case wins, and switches the upper case off where it is empty. HTTP_PROXY counts for nothing in a CGI
        # process, where a client can set it through a Proxy header.
        value = self._variables.get(f"{name}_proxy")
        if value is None and not (name == "http" and "REQUEST_METHOD" in self._variables):
            value = self._variables.get(f"{name.upper()}_PROXY")
        return value

    def tls_context(self, verify: Verify | None = None, cert: Certificate | None = None) -> ssl.SSLContext:
        """Return the TLS context for these settings, made once; None stands for the transport's own setting."""
        key = (self._verify if verify is None else verify, self._cert if cert is None else cert)
        if key not in self._contexts:
            self._contexts[key] = self._make_context(*key)
        return self._contexts[key]

    def _make_context(self, verify: Verify, cert: Certificate | None) -> ssl.SSLContext:
        if not isinstance(verify, (bool, str, os.PathLike)):
            raise TypeError(f"connection_verify must be True, False or a path, not {type(verify).__name__}")
        bundle = next((name for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") if self._variables.get(name)), None)
        if verify is False:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif verify is not True:
            context = _trusting("connection_verify", verify)
        elif bundle is not None:
            context = _trusting(bundle, self._variables[bundle])
        else:
            context = _trusting_default(self._variables.get("SSL_CERT_FILE"), self._variables.get("SSL_CERT_DIR"))
        if cert is not None:
            _load_client_certificate(context, (cert,) if isinstance(cert, (str, os.PathLike)) else cert)
        context.set_alpn_protocols(["http/1.1"])
        return context


def _trusting(origin: str, path: str) -> ssl.SSLContext:
    path = _existing(origin, path)
    is_directory = os.path.isdir(path)
    try:
        return ssl.create_default_context(cafile=None if is_directory else path, capath=path if is_directory else None)
    except ssl.SSLError as error:
        raise ValueError(f"{origin}: '{path}' holds no CA certificates in PEM form ({error.reason})") from error


def _trusting_default(file: str | None, directory: str | None) -> ssl.SSLContext:
    """Trust the system's certificates, and certifi's where it is installed (requests, and so azure-core, brings it).

    The published library trusts certifi's through requests and the system's through aiohttp: who relies on either,
    a company's own CA put into one of them for instance, is served by both together. ``SSL_CERT_FILE`` and
    ``SSL_CERT_DIR`` take the place of them all, and are read as OpenSSL does: what is not there holds no certificate.
    """
    paths = ssl.get_default_verify_paths()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not file and not directory:
        with suppress(ImportError):
            import certifi

            context.load_verify_locations(cafile=certifi.where())
        if sys.platform in ("win32", "darwin"):
            context.load_default_certs()
    # Not load_default_certs everywhere: it looks at the environment again, long after it was settled.
    file, directory = file or paths.openssl_cafile, directory or paths.openssl_capath
    if os.path.isfile(file):
        context.load_verify_locations(cafile=file)
    if directory:
        context.load_verify_locations(capath=directory)  # several directories, as PATH has them
    return context


def _load_client_certificate(context: ssl.SSLContext, files: Sequence[str]) -> None:
    if len(files) not in (1, 2):
        raise ValueError("connection_cert must be the path of a file with certificate and key, or the paths of both")
    paths = [_existing("connection_cert", path) for path in files]
    try:
        context.load_cert_chain(*paths)
    except OSError as error:
        raise ValueError(f"connection_cert: no usable certificate and key in {paths} ({error})") from error


def _existing(origin: str, path: str) -> str:
    path = os.path.expanduser(os.fspath(path))
    if not os.path.exists(path):
        raise FileNotFoundError(f"{origin} names no file or directory: '{path}'")
    return path


def _with_scheme(proxy: str | None) -> str | None:
    proxy = (proxy or "").strip()
    return (proxy if "://" in proxy else f"http://{proxy}") if proxy else None


def _is_exempt(host: str, port: int, no_proxy: str) -> bool:
    """Tell whether ``NO_PROXY`` names a host: by name or suffix, as urllib reads it, or by address or network."""
    entries = [entry.strip() for entry in no_proxy.split(",") if entry.strip()]
    bypassed: Any = getattr(urllib_request, "proxy_bypass_environment")  # noqa: B009 - its types leave it out
    name = f"[{host}]" if ":" in host else host
    if entries and bypassed(f"{name}:{port}", {"no": ",".join(entries)}):
        return True
    for entry in entries:
        with suppress(ValueError):  # one of both is a name
            if ip_address(host.partition("%")[0]) in ip_network(entry.strip("[]"), strict=False):
                return True
    return False


@lru_cache(64)  # a client sends to few URLs, again and again
def split_url(url: str) -> tuple[str, str]:
    """Return a URL's origin and what goes into the request line: byte for byte, but for what HTTP forbids there."""
    found = _URL.match(url)
    if found is None:
        raise ValueError("The URL of the request must start with 'http://' or 'https://' and a host")
    origin, target = found.groups()
    if not target.startswith("/"):
        target = "/" + target
    if not (target.isascii() and target.isprintable()) or " " in target:
        target = quote(target, safe=_PRINTABLE)
    return origin, target


def _parse(url: str) -> Url | None:
    """Take a URL apart; None if it is none, for an error would show it."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host = host if host.isascii() else host.encode("idna").decode("ascii")
    except ValueError:
        return None
    if not host or not _HOST.fullmatch(parts.netloc.rpartition("@")[2]) or not url.isprintable() or " " in url:
        return None
    netloc = (f"[{host}]" if ":" in host else host) + ("" if port is None else f":{port}")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return Url(parts.scheme, host, port or _DEFAULT_PORTS.get(parts.scheme, 0), netloc, user, password)


def without_password(url: str) -> str:
    """Return a proxy's URL fit to be shown: ``***`` for user name and password."""
    scheme, separator, rest = url.partition("://")
    if not scheme.isalnum():  # what comes before may be a part of the password
        scheme, separator, rest = "", "", url
    user, at, host = rest.rpartition("@")
    return f"{scheme}{separator}***@{host}" if at and user else url
