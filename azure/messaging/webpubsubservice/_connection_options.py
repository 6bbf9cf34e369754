"""What both HTTP transports are told, and how they tell what went wrong: limits, proxies, TLS, the names of errors.

No I/O here but reading certificate files.
"""

from __future__ import annotations

import os
import re
import ssl
import sys
from base64 import b64encode
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple
from urllib import request as urllib_request
from urllib.parse import quote, unquote, urlsplit

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceRequestTimeoutError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)

from ._environment import Environment

Verify = bool | str
Certificate = str | tuple[str, str]
Proxies = Mapping[str, str]

KEEPALIVE_SECONDS = 60.0
"""How long a connection may rest and still be used again: load balancers forget it after some minutes, silently."""
MAX_ROUTES = 64
MAX_ANSWER = 64 << 20
"""Most bytes of an answer that is read into memory: a larger one is to be streamed."""
MAX_DECODED = 16 << 20
"""The same for one with a Content-Encoding, of which none is asked for: 661 bytes can become 600 MB."""
_PROXY_REFUSES = 407
# As http.client and our aiohttp transport tell of it: the number alone may be part of a port.
_PROXY_REFUSED = re.compile(rf"Tunnel connection failed: {_PROXY_REFUSES}\b|the proxy answered {_PROXY_REFUSES}\b")
_MOST_SHOWN = 200
_DEFAULT_PORTS = {"http": 80, "https": 443}
_PROXY_SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")
_URL = re.compile(r"([a-zA-Z]+://[^/?#]*)([^#]*)", re.DOTALL)
_HOST = re.compile(r"[\w.~!$&'()*+,;=%:\[\]-]+")
_PRINTABLE = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"  # letters and digits are never quoted


class Proxy(NamedTuple):
    """A proxy: its URL without user name and password, and the header that carries those."""

    scheme: str
    url: str
    whole_url: str
    headers: dict[str, str]


class Route(NamedTuple):
    """The way to an origin."""

    scheme: str
    host: str
    port: int
    origin: str
    """The URL up to its path."""
    where: str
    """Its name in errors."""
    proxy: Proxy | None
    tls: ssl.SSLContext | None
    proxy_tls: ssl.SSLContext | None

    @property
    def forwards(self) -> bool:
        """Whether there is a proxy that forwards requests, instead of the bytes of a connection."""
        return self.proxy is not None and self.tls is None and self.proxy.scheme in _DEFAULT_PORTS


class ConnectionOptions:
    """The options of a transport, settled when it is made; the keywords are those of the client.

    :raises ValueError: if a timeout or ``max_connections`` is not a number above 0.
    """

    def __init__(
        self,
        *,
        connection_timeout: float | None = None,
        read_timeout: float | None = None,
        connection_verify: Verify | None = None,
        connection_cert: Certificate | None = None,
        proxies: Proxies | None = None,
        use_env_settings: bool = True,
        environment: Environment | None = None,
        connection_data_block_size: int = 4096,
        max_connections: int | None = None,
    ) -> None:
        self.connection_timeout = _above_zero("connection_timeout", connection_timeout, 5.0)
        self.read_timeout = _above_zero("read_timeout", read_timeout, 10.0)
        self.max_connections = int(_above_zero("max_connections", max_connections, 100))
        self.block_size = connection_data_block_size
        self._verify: Verify = True if connection_verify is None else connection_verify
        self._cert = connection_cert
        self._proxies = dict(proxies or {})
        self._uses_system = use_env_settings
        if environment is None:
            environment = Environment.read(os.environ)
        self._variables = environment.variables if use_env_settings else {}
        self._contexts: dict[Any, ssl.SSLContext] = {}

    def route(self, origin: str, proxies: Proxies | None, verify: Verify | None, cert: Certificate | None) -> Route:
        """Return the way to the origin of a URL; None stands for the transport's own setting.

        :raises ValueError: if it is no http or https URL with a host and without a user, or the proxy's is no URL.
        """
        parsed = _parse(origin)
        if parsed is None or parsed[0] not in _DEFAULT_PORTS or "@" in origin:
            raise ValueError(
                "The URL of the request must start with 'http://' or 'https://' and a host, and hold no user name or"
                " password"
            )
        scheme, host, port, netloc, _ = parsed
        port = port or _DEFAULT_PORTS[scheme]
        url = self.proxy_for(scheme, host, port, proxies)
        where = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
        proxy = None
        if url is not None:
            where = f"{where} through the proxy {without_password(url)}"
            proxy = _proxy(url, where)
        return Route(
            scheme,
            host,
            port,
            f"{scheme}://{netloc}",
            where,
            proxy,
            self.tls_context(verify, cert) if scheme == "https" else None,
            self.tls_context(verify) if proxy is not None and proxy.scheme == "https" else None,
        )

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
            proxy = found[scheme] or found["all"]
            return None if is_exempt(host, port, no_proxy or "") else _with_scheme(proxy)
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
        """Return the TLS context for these settings, made once; None stands for the transport's own setting.

        :raises FileNotFoundError: if a file or directory is not there.
        :raises ValueError: if a file does not hold what it should.
        """
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
            context = _trusting(os.fspath(verify), "connection_verify")
        elif bundle is not None:
            context = _trusting(self._variables[bundle], bundle)
        else:
            context = _trusting_default(self._variables.get("SSL_CERT_FILE"), self._variables.get("SSL_CERT_DIR"))
        if cert is not None:
            _load_client_certificate(context, cert)
        context.set_alpn_protocols(["http/1.1"])
        return context


def of_connections(keywords: dict[str, Any]) -> dict[str, Any]:
    """Return the keywords of a call that choose its connections.

    :raises TypeError: if there are others, which no policy took and no transport knows.
    """
    for name in keywords:
        if name not in ("proxies", "connection_verify", "connection_cert"):
            raise TypeError(f"send() got an unexpected keyword argument {name!r}")
    return keywords


def _above_zero(name: str, value: float | None, default: float) -> float:
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise ValueError(f"{name} must be a number above 0, not {value!r}")
    return value


def _with_scheme(proxy: str | None) -> str | None:
    proxy = (proxy or "").strip()
    return (proxy if "://" in proxy else f"http://{proxy}") if proxy else None


def is_exempt(host: str, port: int, no_proxy: str) -> bool:
    """Tell whether ``NO_PROXY`` names a host: by name, suffix, address or network, with or without a port."""
    entries = [entry.strip() for entry in no_proxy.split(",") if entry.strip()]
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        bypassed: Any = getattr(urllib_request, "proxy_bypass_environment")  # noqa: B009 - its types leave it out
        return bool(entries and bypassed(f"{host}:{port}", {"no": ",".join(entries)}))
    for entry in entries:
        if entry == "*" or entry.strip("[]") == host or entry in (f"{host}:{port}", f"[{host}]:{port}"):
            return True
        try:
            if address in ip_network(entry.strip("[]"), strict=False):
                return True
        except ValueError:
            continue  # a name, which no address matches
    return False


def _trusting(path: str, origin: str) -> ssl.SSLContext:
    path = os.path.expanduser(path)
    if not os.path.exists(path):
        raise FileNotFoundError(f"{origin} names no file or directory: '{path}'")
    try:
        if os.path.isdir(path):
            return ssl.create_default_context(capath=path)
        return ssl.create_default_context(cafile=path)
    except ssl.SSLError as error:
        raise ValueError(f"{origin}: '{path}' holds no CA certificates in PEM form ({error.reason})") from error


def _trusting_default(cert_file: str | None, cert_dir: str | None) -> ssl.SSLContext:
    """Trust the system's certificates, and certifi's where it is installed (requests, and so azure-core, brings it).

    The published library trusts certifi's through requests and the system's through aiohttp: who relies on either,
    a company's own CA put into one of them for instance, is served by both together. ``SSL_CERT_FILE`` and
    ``SSL_CERT_DIR`` take the place of them all, and are read as OpenSSL does: what is not there holds no certificate.
    """
    paths = ssl.get_default_verify_paths()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not cert_file and not cert_dir:
        try:
            import certifi
        except ImportError:
            pass
        else:
            context.load_verify_locations(cafile=certifi.where())
        if sys.platform in ("win32", "darwin"):
            context.load_default_certs()
    # Not load_default_certs everywhere: it looks at the environment again, long after it was settled.
    cert_file, cert_dir = cert_file or paths.openssl_cafile, cert_dir or paths.openssl_capath
    if os.path.isfile(cert_file):
        context.load_verify_locations(cafile=cert_file)
    if cert_dir:
        context.load_verify_locations(capath=cert_dir)  # several directories, as PATH has them
    return context


def _load_client_certificate(context: ssl.SSLContext, cert: Certificate) -> None:
    files = (cert,) if isinstance(cert, (str, os.PathLike)) else tuple(cert)
    if len(files) not in (1, 2):
        raise ValueError("connection_cert must be the path of a file with certificate and key, or the paths of both")
    files = tuple(os.path.expanduser(os.fspath(path)) for path in files)
    for path in files:
        if not os.path.isfile(path):
            raise FileNotFoundError(f"connection_cert names no file: '{path}'")
    try:
        context.load_cert_chain(*files)
    except ssl.SSLError as error:
        raise ValueError(f"connection_cert: no usable certificate and key in {files} ({error.reason})") from error


def socket_options() -> list[tuple[int, int, int]]:
    """Return what sockets are told: send small writes at once, and find out by themselves whether the peer is there."""
    import socket  # for its constants

    options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    # Azure's load balancers forget a connection after four silent minutes.
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options


def split_url(url: str) -> tuple[str, str]:
    """Return a URL's origin and what of it goes into the request line: byte for byte, but for what HTTP forbids there.

    :raises ValueError: if it is not absolute.
    """
    found = _URL.match(url)
    if found is None:
        raise ValueError("The URL of the request must start with 'http://' or 'https://' and a host")
    origin, target = found.groups()
    if not target.startswith("/"):
        target = "/" + target
    if not (target.isascii() and target.isprintable()) or " " in target:
        target = quote(target, safe=_PRINTABLE)
    return origin, target


def _proxy(url: str, where: str) -> Proxy:
    parsed = _parse(url)
    if parsed is None or parsed[0] not in _PROXY_SCHEMES:
        raise ValueError(
            f"The proxy's URL must start with one of {', '.join(_PROXY_SCHEMES)}, and name a host: {where}"
        )
    scheme, _, port, netloc, (user, password) = parsed
    if port is None and scheme in _DEFAULT_PORTS:
        netloc = f"{netloc}:{_DEFAULT_PORTS[scheme]}"
    headers = {}
    if user:
        headers["Proxy-Authorization"] = f"Basic {b64encode(f'{unquote(user)}:{unquote(password)}'.encode()).decode()}"
    return Proxy(scheme, f"{scheme}://{netloc}", url, headers)


def _parse(url: str) -> tuple[str, str, int | None, str, tuple[str, str]] | None:
    """Return scheme, host, port, host with port, and user of a URL; None if it is none: an error would show it."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        host = host if host.isascii() else host.encode("idna").decode("ascii")
        port = parts.port
    except ValueError:
        return None
    if not host or not _HOST.fullmatch(parts.netloc.rpartition("@")[2]) or not url.isprintable() or " " in url:
        return None
    netloc = (f"[{host}]" if ":" in host else host) + ("" if port is None else f":{port}")
    return parts.scheme, host, port, netloc, (parts.username or "", parts.password or "")


def without_password(url: str) -> str:
    """Return a proxy's URL fit to be shown: ``***`` for user name and password."""
    scheme, separator, rest = url.partition("://")
    if not scheme.isalnum():  # what comes before may be a part of the password
        scheme, separator, rest = "", "", url
    user, at, host = rest.rpartition("@")
    return f"{scheme}{separator}***@{host}" if at and user else url


_CHARSETS = {
    "ascii",
    "us-ascii",
    "utf-8",
    "utf8",
    "utf-8-sig",
    "utf-16",
    "iso-8859-1",
    "latin-1",
    "latin1",
    "windows-1252",
}


def known_charset(name: str | None) -> str | None:
    """Return the charset to read an answer in: for one that is not known each byte is shown as it is.

    Some of Python's codecs, such as punycode, take a minute for a megabyte.
    """
    return name if name is None or name.lower().replace("_", "-") in _CHARSETS else "latin-1"


# Errors: of each kind one for a limit of ``seconds`` that ran out, and one for anything else.


def not_sent(where: str, error: BaseException | None, seconds: float | None = None) -> AzureError:
    """Return the error of a request of which no byte was sent."""
    if _PROXY_REFUSED.search(str(error)):
        refused = ClientAuthenticationError(  # no error that is worth another attempt
            f"No connection to {where}: the proxy wants a user name and a password in its URL, and not what it got,"
            f" if anything ({_PROXY_REFUSES} Proxy Authentication Required)",
            error=error,
        )
        refused.status_code = _PROXY_REFUSES
        return refused
    if seconds is not None:
        return ServiceRequestTimeoutError(f"No connection to {where} within {seconds:.3g} s", error=error)
    return ServiceRequestError(f"No connection to {where}: {_short(error)}", error=error)


def not_answered(where: str, error: BaseException | None, seconds: float | None = None) -> AzureError:
    """Return the error of a request that the service may have got, and that had no answer."""
    if seconds is not None:
        return ServiceResponseTimeoutError(f"{where} did not answer within {seconds:.3g} s", error=error)
    return ServiceResponseError(f"The connection to {where} broke before an answer came: {_short(error)}", error=error)


def not_complete(where: str, error: BaseException | None, seconds: float | None = None) -> AzureError:
    """Return the error of an answer whose status came, but not its whole body."""
    if seconds is not None:
        return ServiceResponseTimeoutError(f"{where} did not complete its answer within {seconds:.3g} s", error=error)
    return IncompleteReadError(f"The answer of {where} is incomplete: {_short(error)}", error=error)


def check_size(size: int, encoding: str | None) -> None:
    """Refuse an answer that becomes too large in memory.

    :raises OverflowError: if it does; read it with ``stream=True``.
    """
    most = MAX_ANSWER if encoding is None else MAX_DECODED
    if size > most:
        raise OverflowError(f"it is larger than {most >> 20} MiB: read it with stream=True")


def not_decodable(where: str, encoding: str | None, error: BaseException) -> AzureError:
    """Return the error of an answer that is not what its Content-Encoding says, or more than is decoded."""
    return DecodeError(f"The answer of {where} cannot be decoded as '{_short(encoding)}': {_short(error)}", error=error)


def _short(reason: object) -> str:
    text = str(reason) or type(reason).__name__
    return text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "..."
