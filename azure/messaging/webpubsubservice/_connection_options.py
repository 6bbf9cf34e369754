"""What both HTTP transports decide alike: a connection's options, its proxy, its TLS context, the names of its errors.

No I/O here but reading certificate files. The transports import it with their first request's other modules, so that
``ssl`` and azure-core cost nothing before.
"""

from __future__ import annotations

import os
import ssl
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

from azure.core.exceptions import (
    DecodeError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceRequestTimeoutError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)

from ._environment import Environment, without_password

Verify = bool | str
Certificate = str | tuple[str, str]

INVALID_URL = (
    "The URL of the request must start with 'http://' or 'https://' and a host, and hold no user name or password"
)


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

    __slots__ = ("_contexts", "cert", "connection_timeout", "environment", "proxies", "read_timeout", "verify")

    def __init__(
        self,
        *,
        connection_timeout: float,
        read_timeout: float,
        connection_verify: Verify,
        connection_cert: Certificate | None,
        proxies: Mapping[str, str] | None,
        use_env_settings: bool,
        environment: Environment | None,
    ) -> None:
        for name, seconds in (("connection_timeout", connection_timeout), ("read_timeout", read_timeout)):
            if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds > 0:
                raise ValueError(f"{name} must be a number of seconds above 0, not {seconds!r}")
        self.connection_timeout: float = connection_timeout
        self.read_timeout: float = read_timeout
        self.verify: Verify = connection_verify
        self.cert: Certificate | None = connection_cert
        self.proxies: dict[str, str] = dict(proxies or {})
        if not use_env_settings:
            environment = Environment()
        self.environment: Environment = Environment.read(os.environ) if environment is None else environment
        self._contexts: dict[tuple[Verify, Certificate | None], ssl.SSLContext] = {}

    def proxy_for(self, scheme: str, host: str, port: int, proxies: Mapping[str, str] | None) -> str | None:
        """Return the URL of the proxy for an origin, None for a direct connection; the call's own proxies win."""
        merged = {**self.proxies, **proxies} if proxies else self.proxies
        return self.environment.proxy_for(scheme, host, port, merged)

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
            context = _make_context(verify, cert, self.environment)
            context = self._contexts.setdefault((verify, cert), context)
        return context

    def same_tls(self, verify: Verify | None, cert: Certificate | None) -> bool:
        """Tell whether a call's TLS settings are the transport's own."""
        return (verify is None or verify is self.verify) and (cert is None or cert == self.cert)


def _make_context(verify: Verify, cert: Certificate | None, environment: Environment) -> ssl.SSLContext:
    if not isinstance(verify, (bool, str, os.PathLike)):
        raise TypeError(f"connection_verify must be True, False or a path, not {type(verify).__name__}")
    bundle = environment.ca_bundle
    if verify is False:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif verify is not True:
        context = _trusting(os.fspath(verify), "connection_verify")
    elif bundle is not None:
        context = _trusting(*bundle)
    elif environment.ssl_cert_file or environment.ssl_cert_dir:
        context = _trusting_openssl(environment)
    else:
        context = _trusting_default()
    if cert is not None:
        _load_client_certificate(context, cert)
    context.set_alpn_protocols(["http/1.1"])
    return context


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


def _trusting_openssl(environment: Environment) -> ssl.SSLContext:
    """Trust what SSL_CERT_FILE and SSL_CERT_DIR name; the one that is not set keeps OpenSSL's own place."""
    paths = ssl.get_default_verify_paths()
    context = None
    for path, name, default in (
        (environment.ssl_cert_file, "SSL_CERT_FILE", paths.openssl_cafile),
        (environment.ssl_cert_dir, "SSL_CERT_DIR", paths.openssl_capath),
    ):
        # Both may list several directories, as PATH does.
        for part in (path or default).split(os.pathsep) if name == "SSL_CERT_DIR" else (path or default,):
            if path is None and not os.path.exists(part):
                continue
            if context is None:
                context = _trusting(part, name)
            elif os.path.isdir(part):
                context.load_verify_locations(capath=part)
            else:
                context.load_verify_locations(cafile=part)
    return context or _trusting_default()


def _trusting_default() -> ssl.SSLContext:
    """Trust the system's certificates, and certifi's where it is installed (requests, and so azure-core, brings it).

    The published library trusts certifi's through requests and the system's through aiohttp: who relies on either,
    a company's own CA put into one of them for instance, is served by both together.
    """
    try:
        import certifi
    except ImportError:
        return ssl.create_default_context()
    context = ssl.create_default_context(cafile=certifi.where())
    if sys.platform in ("win32", "darwin"):
        context.load_default_certs()
        return context
    # Not load_default_certs: it would look at the environment again, long after it was settled.
    paths = ssl.get_default_verify_paths()
    cafile = paths.openssl_cafile if os.path.isfile(paths.openssl_cafile) else None
    capath = paths.openssl_capath if os.path.isdir(paths.openssl_capath) else None
    if cafile or capath:
        context.load_verify_locations(cafile, capath)
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


def describe(scheme: str, host: str, port: int, proxy: str | None = None) -> str:
    """Name a connection for an error: the origin, and the proxy on the way, without its password."""
    origin = f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
    return f"{origin} through the proxy {without_password(proxy)}" if proxy else origin


def not_sent(
    where: str, reason: object, error: BaseException | None, seconds: float | None = None
) -> ServiceRequestError:
    """Return the error of a request of which no byte was sent; ``seconds`` is the time limit that ran out, if any."""
    if seconds is not None:
        return ServiceRequestTimeoutError(f"No connection to {where} within {seconds:.3g} s", error=error)
    return ServiceRequestError(f"No connection to {where}: {reason}", error=error)


def not_answered(
    where: str, reason: object, error: BaseException | None, seconds: float | None = None
) -> ServiceResponseError:
    """Return the error of a request that the service may have got, and that had no answer."""
    if seconds is not None:
        return ServiceResponseTimeoutError(f"{where} did not answer within {seconds:.3g} s", error=error)
    return ServiceResponseError(f"The connection to {where} broke before an answer came: {reason}", error=error)


def not_complete(
    where: str, reason: object, error: BaseException | None, seconds: float | None = None
) -> ServiceResponseTimeoutError | IncompleteReadError:
    """Return the error of an answer whose status came, but not its whole body."""
    if seconds is not None:
        return ServiceResponseTimeoutError(f"{where} stopped answering for {seconds:.3g} s", error=error)
    return IncompleteReadError(f"The answer of {where} is incomplete: {reason}", error=error)


def not_decodable(where: str, encoding: str | None, error: BaseException | None) -> DecodeError:
    """Return the error of an answer that is not what its Content-Encoding says."""
    return DecodeError(f"The answer of {where} is not valid '{encoding}' data", error=error)


def refuse_keywords(send: str, keywords: Mapping[str, Any]) -> NoReturn:
    """Refuse options that no policy took and no transport knows."""
    names = ", ".join(f"'{name}'" for name in sorted(keywords))
    raise TypeError(f"{send}() got an unexpected keyword argument {names}")


def refuse_pickling(transport: object) -> NoReturn:
    """Refuse to copy open connections into another process."""
    raise TypeError(
        f"{type(transport).__name__} holds open connections and cannot be copied or pickled: "
        "make a client in the process that uses it"
    )
