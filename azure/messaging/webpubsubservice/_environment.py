"""The environment variables that connections heed, noted when a client is made; ``_connection_options`` reads them."""

from __future__ import annotations

from collections.abc import Mapping

_NAMES = (
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("REQUEST_METHOD", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"),
)


class Environment(dict[str, str]):
    """The variables that matter, as they were. Its repr shows names only: a proxy's URL may hold a password."""

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Environment:
        """Take the variables that matter out of an environment."""
        return cls({name: environ[name] for name in _NAMES if name in environ})

    def __repr__(self) -> str:
        return f"<Environment {', '.join(sorted(self))}>"
