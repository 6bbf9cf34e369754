"""What the process environment says about connections: proxies, hosts without one, and CA certificates.

Read once, when a client is made, by looking up the few names that matter; nothing here reads ``os.environ`` by
itself, opens a file or imports more than the interpreter has loaded already: the cold start of the client is measured.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for typing's, which is not worth an import
if TYPE_CHECKING:
    from collections.abc import Mapping

_SCHEMES = ("http", "https", "all")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Environment:
    """The connection settings of an environment, as they were when it was read.

    :param proxies: Proxy URL by ``http``, ``https`` or ``all``.
    :type proxies: Mapping[str, str]
    :param str no_proxy: The hosts that are reached without a proxy, separated by commas.
    :param ca_bundle: CA file or directory of ``REQUESTS_CA_BUNDLE`` or ``CURL_CA_BUNDLE``, with the variable's name.
    :type ca_bundle: tuple[str, str] or None
    :param str ssl_cert_file: CA file of ``SSL_CERT_FILE``.
    :param str ssl_cert_dir: CA directory of ``SSL_CERT_DIR``.
    """

    __slots__ = ("_no_proxy", "_proxies", "ca_bundle", "ssl_cert_dir", "ssl_cert_file")

    def __init__(
        self,
        proxies: Mapping[str, str] | None = None,
        no_proxy: str = "",
        ca_bundle: tuple[str, str] | None = None,
        ssl_cert_file: str | None = None,
        ssl_cert_dir: str | None = None,
    ) -> None:
        self._proxies: dict[str, str] = dict(proxies or {})
        self._no_proxy: str = no_proxy
        self.ca_bundle: tuple[str, str] | None = ca_bundle
        self.ssl_cert_file: str | None = ssl_cert_file
        self.ssl_cert_dir: str | None = ssl_cert_dir

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Environment:
        """Take the settings that matter out of an environment.

        A name in lower case wins over the same in upper case, and an empty proxy variable in lower case switches
        the upper-case one off. ``HTTP_PROXY`` counts for nothing in a CGI process, where a client can set it
        through a ``Proxy`` header.

        :param environ: Usually ``os.environ``. Only looked up in, never copied or iterated.
        :type environ: Mapping[str, str]
        :return: The settings.
        :rtype: Environment
        """
        get = environ.get
        proxies = {}
        for scheme in _SCHEMES:
            value = get(scheme + "_proxy")
            if value is None and not (scheme == "http" and "REQUEST_METHOD" in environ):
                value = get(scheme.upper() + "_PROXY")
            if value:
                proxies[scheme] = value
        bundle = None
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            path = get(name)
            if path:
                bundle = (path, name)
                break
        return cls(
            proxies,
            get("no_proxy") or get("NO_PROXY") or "",
            bundle,
            get("SSL_CERT_FILE") or None,
            get("SSL_CERT_DIR") or None,
        )

    def proxy_for(
        self, scheme: str, host: str, port: int | None = None, explicit_proxies: Mapping[str, str] | None = None
    ) -> str | None:
        """Choose the proxy for a request.

        Explicit proxies come first and know no exceptions; an explicit empty string (or None) means no proxy.
        What they leave open, the environment decides, with its exceptions (or with the explicit ``no_proxy``).

        :param str scheme: ``http`` or ``https``.
        :param str host: Host name or address of the request, without brackets.
        :param int port: Port of the request; left out, the scheme's own.
        :param explicit_proxies: Proxy URL by ``https://host``, ``https``, ``all://host`` or ``all``.
        :type explicit_proxies: Mapping[str, str] or None
        :return: Proxy URL, always with a scheme, or None to connect directly.
        :rtype: str or None
        """
        host = host.lower()
        no_proxy = self._no_proxy
        if explicit_proxies:
            for key in (f"{scheme}://{host}", scheme, f"all://{host}", "all"):
                if key in explicit_proxies:
                    return _with_scheme(explicit_proxies[key])
            no_proxy = explicit_proxies.get("no_proxy") or no_proxy
        proxy = self._proxies.get(scheme) or self._proxies.get("all")
        if not proxy or _is_exempt(host, port or _DEFAULT_PORTS.get(scheme), no_proxy):
            return None
        return _with_scheme(proxy)

    def __repr__(self) -> str:
        proxies = {scheme: without_password(_with_scheme(url) or "") for scheme, url in self._proxies.items()}
        return (
            f"<Environment proxies:{proxies!r} no_proxy:{self._no_proxy!r} ca_bundle:{self.ca_bundle!r}"
            f" ssl_cert_file:{self.ssl_cert_file!r} ssl_cert_dir:{self.ssl_cert_dir!r}>"
        )


def without_password(url: str) -> str:
    """Return a proxy's URL fit to be shown: user name and password are left out.

    :param str url: URL of the proxy.
    :return: The URL with ``***`` for the user information.
    :rtype: str
    """
    scheme, separator, rest = url.partition("://")
    if not scheme.isalnum():  # what comes before may be a part of the password
        scheme, separator, rest = "", "", url
    user, at, host = rest.rpartition("@")
    return f"{scheme}{separator}***@{host}" if at and user else url


def _with_scheme(proxy: str | None) -> str | None:
    if not proxy or not proxy.strip():
        return None
    proxy = proxy.strip()
    return proxy if "://" in proxy else "http://" + proxy


def _is_exempt(host: str, port: int | None, no_proxy: str) -> bool:
    """Tell whether ``NO_PROXY`` names the host: by name, suffix, address or network, with or without a port."""
    entries = no_proxy.replace(" ", "").lower().split(",")
    if "*" in entries:
        return True
    host = host.strip("[]")
    if ":" in host or host.replace(".", "").isdigit():
        return _is_exempt_address(host, port, entries)
    with_port = f"{host}:{port}"
    for entry in entries:
        name = entry.lstrip(".")
        if name and (name in (host, with_port) or host.endswith("." + name) or with_port.endswith("." + name)):
            return True
    return False


def _is_exempt_address(host: str, port: int | None, entries: list[str]) -> bool:
    # Only for hosts given as an address, where an environment lists exceptions: not worth every start.
    from ipaddress import ip_address, ip_network

    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    for entry in entries:
        if entry.strip("[]") == host or entry in (f"{host}:{port}", f"[{host}]:{port}"):
            return True
        try:
            if entry and address in ip_network(entry.strip("[]"), strict=False):
                return True
        except ValueError:
            continue  # a name, which no address matches
    return False
