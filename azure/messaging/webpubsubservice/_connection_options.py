"""What both HTTP transports are told and tell: proxies, TLS contexts, the environment, the names of errors.

No I/O here but reading certificate files. The transports import it with their first request's other modules, so that
``ssl`` and azure-core cost nothing before.
"""

from __future__ import annotations

import os
import socket
import ssl
import sys
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Any, NoReturn

from azure.core.exceptions import (
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

KEEPALIVE_SECONDS = 60.0
"""How long a connection may rest and still be used again: load balancers forget it after some minutes, silently."""
_MOST_SHOWN = 200
_PROXY_REFUSES = 407


class ConnectionOptions:
    """The options of a transport, settled when it is made.

    :keyword float connection_timeout: Seconds to wait for a connection.
    :keyword float read_timeout: Seconds to wait for the next bytes of an answer, or to get rid of bytes of a request.
    :keyword connection_verify: True to check the server's certificate, False not to, or the path of the CA file or
        directory to check it with.
    :paramtype connection_verify: bool or str
    :keyword connection_cert: Path of the client's certificate with its key, or the paths of both.
    :paramtype connection_cert: str or tuple[str, str] or None
    :keyword proxies: Proxy URL by ``https``, ``http``, ``all`` or ``https://host``.
    :paramtype proxies: Mapping[str, str] or None
    :keyword bool use_env_settings: False to leave the environment out of it.
    :keyword environment: The environment, read before; left out, it is read now.
    :paramtype environment: Environment or None
    :raises ValueError: if a timeout is not a number above 0.
    """

    def __init__(
        self,
        *,
        connection_timeout: float | None,
        read_timeout: float | None,
        connection_verify: Verify | None,
        connection_cert: Certificate | None,
        proxies: Mapping[str, str] | None,
        use_env_settings: bool,
        environment: Environment | None,
    ) -> None:
        self.connection_timeout: float = _seconds("connection_timeout", connection_timeout, 5.0)
        self.read_timeout: float = _seconds("read_timeout", read_timeout, 10.0)
        self.verify: Verify = True if connection_verify is None else connection_verify
        self.cert: Certificate | None = connection_cert
        self.proxies: dict[str, str] = dict(proxies or {})
        self._uses_system = use_env_settings
        if not use_env_settings:
            environment = Environment()
        self._variables = (Environment.read(os.environ) if environment is None else environment).variables
        self._contexts: dict[tuple[Verify, Certificate | None], ssl.SSLContext] = {}

    def proxy_for(self, scheme: str, host: str, port: int, proxies: Mapping[str, str] | None = None) -> str | None:
        """Choose the proxy for an origin.

        Explicit proxies come first, those of the call before the client's, and know no exceptions; an explicit empty
        string (or None) means no proxy. What they leave open, the environment decides, with its exceptions (or with the
        explicit ``no_proxy``), and where that names no proxy at all, the settings of Windows or macOS.

        :param str scheme: ``http`` or ``https``.
        :param str host: Host name or address, without brackets.
        :param int port: Port.
        :param proxies: The call's own proxies.
        :type proxies: Mapping[str, str] or None
        :return: Proxy URL, always with a scheme, or None to connect directly.
        :rtype: str or None
        """
        explicit = {**self.proxies, **proxies} if proxies else self.proxies
        for key in (f"{scheme}://{host}", scheme, f"all://{host}", "all"):
            if key in explicit:
                return _with_scheme(explicit[key])
        found = {name: self._proxy_variable(name) for name in ("http", "https", "all")}
        if any(found.values()):
            variables = self._variables
            no_proxy = explicit.get("no_proxy") or variables.get("no_proxy") or variables.get("NO_PROXY") or ""
            proxy = found[scheme] or found["all"]
            return None if proxy and is_exempt(host, port, no_proxy) else _with_scheme(proxy)
        if self._uses_system and sys.platform in ("win32", "darwin"):
            from urllib.request import getproxies, proxy_bypass

            return None if proxy_bypass(host) else _with_scheme(getproxies().get(scheme))
        return None

    def _proxy_variable(self, name: str) -> str | None:
        """Return a variable: lower case wins, and switches the upper case off where it is empty.

        ``HTTP_PROXY`` counts for nothing in a CGI process, where a client can set it through a ``Proxy`` header.
        """
        value = self._variables.get(f"{name}_proxy")
        if value is None and not (name == "http" and "REQUEST_METHOD" in self._variables):
            value = self._variables.get(f"{name.upper()}_PROXY")
        return value

    def tls_context(self, verify: Verify | None = None, cert: Certificate | None = None) -> ssl.SSLContext:
        """Return the TLS context for these settings, made once; None stands for the transport's own setting.

        :param verify: As ``connection_verify``.
        :type verify: bool or str or None
        :param cert: As ``connection_cert``.
        :type cert: str or tuple[str, str] or None
        :return: The context, with HTTP/1.1 as its protocol.
        :rtype: ~ssl.SSLContext
        :raises FileNotFoundError: if a file or directory is not there.
        :raises ValueError: if a file does not hold what it should.
        """
        verify = self.verify if verify is None else verify
        cert = self.cert if cert is None else cert
        context = self._contexts.get((verify, cert))
        if context is None:
            context = self._contexts.setdefault((verify, cert), self._make_context(verify, cert))
        return context

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


def _seconds(name: str, value: float | None, default: float) -> float:
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise ValueError(f"{name} must be a number of seconds above 0, not {value!r}")
    return value


def _with_scheme(proxy: str | None) -> str | None:
    if not proxy or not proxy.strip():
        return None
    proxy = proxy.strip()
    return proxy if "://" in proxy else "http://" + proxy


def is_exempt(host: str, port: int, no_proxy: str) -> bool:
    """Tell whether ``NO_PROXY`` names a host: by name, suffix, address or network, with or without a port.

    :param str host: Host name or address, without brackets.
    :param int port: Its port.
    :param str no_proxy: The entries, separated by commas.
    :rtype: bool
    """
    entries = [entry.strip() for entry in no_proxy.split(",") if entry.strip()]
    if "*" in entries:
        return True
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # typeshed leaves it out

        return bool(entries and proxy_bypass_environment(f"{host}:{port}", {"no": ",".join(entries)}))
    for entry in entries:
        if entry.strip("[]") == host or entry in (f"{host}:{port}", f"[{host}]:{port}"):
            return True
        try:
            if address in ip_network(entry.strip("[]"), strict=False):
                return True
        except ValueError:
            continue  # a name, which no address matches
    return False


def _trusting(path: str, origin: str) -> ssl.SSLContext:
    path = os.path.expanduser(path)
    is_directory = os.path.isdir(path)
    if not is_directory and not os.path.exists(path):
        raise FileNotFoundError(f"{origin} names no file or directory: '{path}'")
    try:
        if is_directory:
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
    options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    # Azure's load balancers forget a connection after four silent minutes.
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options


# Errors


def _short(reason: object) -> str:
    text = str(reason) or type(reason).__name__
    return text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "..."


def not_sent(where: str, error: BaseException | None, seconds: float | None = None) -> ServiceRequestError:
    """Return the error of a request of which no byte was sent; ``seconds`` is the time limit that ran out, if any."""
    if seconds is not None:
        return ServiceRequestTimeoutError(f"No connection to {where} within {seconds:.3g} s", error=error)
    return ServiceRequestError(f"No connection to {where}: {_short(error)}", error=error)


def not_let_through(where: str, error: BaseException | None) -> ClientAuthenticationError:
    """Return the error of a proxy that wants another user name or password: asking again would change nothing."""
    refused = ClientAuthenticationError(
        f"No connection to {where}: the proxy wants a user name and a password in its URL, and not what it got,"
        f" if anything ({_PROXY_REFUSES} Proxy Authentication Required)",
        error=error,
    )
    refused.status_code = _PROXY_REFUSES
    return refused


def not_answered(where: str, error: BaseException | None, seconds: float | None = None) -> ServiceResponseError:
    """Return the error of a request that the service may have got, and that had no answer."""
    if seconds is not None:
        return ServiceResponseTimeoutError(f"{where} did not answer within {seconds:.3g} s", error=error)
    return ServiceResponseError(f"The connection to {where} broke before an answer came: {_short(error)}", error=error)


def not_complete(
    where: str, error: BaseException | None, seconds: float | None = None
) -> ServiceResponseTimeoutError | IncompleteReadError:
    """Return the error of an answer whose status came, but not its whole body."""
    if seconds is not None:
        return ServiceResponseTimeoutError(f"{where} did not complete its answer within {seconds:.3g} s", error=error)
    return IncompleteReadError(f"The answer of {where} is incomplete: {_short(error)}", error=error)


def not_decodable(where: str, encoding: str | None, error: BaseException | None) -> DecodeError:
    """Return the error of an answer that is not what its Content-Encoding says, or more than is decoded."""
    return DecodeError(f"The answer of {where} cannot be decoded as '{_short(encoding)}': {_short(error)}", error=error)


def refuse_keywords(keywords: Mapping[str, Any]) -> NoReturn:
    """Refuse options that no policy took and no transport knows."""
    names = ", ".join(f"'{name}'" for name in sorted(keywords))
    raise TypeError(f"send() got an unexpected keyword argument {names}")


def refuse_pickling(transport: object) -> NoReturn:
    """Refuse to copy open connections into another process."""
    raise TypeError(
        f"{type(transport).__name__} holds open connections and cannot be copied or pickled: "
        "make a client in the process that uses it"
    )
