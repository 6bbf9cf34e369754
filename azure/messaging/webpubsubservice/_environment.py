"""The environment variables that connections heed, noted when a client is made.

Nothing is read into them here, and nothing imported: the cold start of the client is measured. What they mean is in
``_connection_options``.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for typing's, which is not worth an import
if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMES = (
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("REQUEST_METHOD", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"),
)


class Environment:
    """The variables that matter, as they were when they were read. Its repr shows names only: a proxy has a password.

    :param variables: Their values.
    :type variables: Mapping[str, str] or None
    """

    __slots__ = ("variables",)

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self.variables: dict[str, str] = dict(variables or {})

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Environment:
        """Take the variables that matter out of an environment.

        :param environ: Usually ``os.environ``. Only looked up in, never copied or iterated.
        :type environ: Mapping[str, str]
        :return: The variables.
        :rtype: Environment
        """
        return cls({name: environ[name] for name in _NAMES if name in environ})

    def __repr__(self) -> str:
        return f"<Environment {', '.join(sorted(self.variables))}>"
