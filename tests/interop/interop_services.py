"""The published service clients behind the names and arguments of the Python one, so that one test holds for each."""

from interop_driver import ThrownError

#: What each operation is called in JavaScript: the method, and whether it is one of a group.
_JAVASCRIPT = {
    "send_to_all": ("sendToAll", False),
    "send_to_group": ("sendToAll", True),
    "send_to_user": ("sendToUser", False),
    "send_to_connection": ("sendToConnection", False),
    "close_connection": ("closeConnection", False),
    "close_all_connections": ("closeAllConnections", False),
    "close_group_connections": ("closeAllConnections", True),
    "close_user_connections": ("closeUserConnections", False),
    "connection_exists": ("connectionExists", False),
    "group_exists": ("groupExists", False),
    "user_exists": ("userExists", False),
    "add_connection_to_group": ("addConnection", True),
    "remove_connection_from_group": ("removeConnection", True),
    "remove_connection_from_all_groups": ("removeConnectionFromAllGroups", False),
    "add_user_to_group": ("addUser", True),
    "remove_user_from_group": ("removeUser", True),
    "remove_user_from_all_groups": ("removeUserFromAllGroups", False),
    "add_connections_to_groups": ("addConnectionsToGroups", False),
    "remove_connections_from_groups": ("removeConnectionsFromGroups", False),
    "grant_permission": ("grantPermission", False),
    "revoke_permission": ("revokePermission", False),
    "has_permission": ("hasPermission", False),
    "list_connections": ("listConnections", True),
    "get_client_access_token": ("getClientAccessToken", False),
}
_OPTIONS = {
    "excluded": "excludedConnections",
    "content_type": "contentType",
    "filter": "filter",
    "message_ttl_seconds": "messageTtlSeconds",
    "reason": "reason",
    "target_name": "targetName",
    "user_id": "userId",
    "roles": "roles",
    "groups": "groups",
    "minutes_to_expire": "expirationTimeInMinutes",
    "client_protocol": "clientProtocol",
    "top": "top",
    "maxpagesize": "maxPageSize",
}

KINDS = ["python 1.3.0", "python 1.3.0 aio", "javascript"]


class ServiceError(Exception):
    """A published client has raised an error for an answer of the service."""

    def __init__(self, error):
        super().__init__(error)
        self.status = error.get("statusCode")
        self.name = error["name"]
        self.code = error.get("code")
        self.message = error["message"]


class Service:
    """A service client in another process: every operation is a method, called as in Python."""

    def __getattr__(self, operation):
        if operation.startswith("_"):
            raise AttributeError(operation)

        def call(*args, **kwargs):
            try:
                return self.run(operation, args, kwargs)
            except ThrownError as failure:
                raise ServiceError(failure.error) from failure

        return call


class PublishedService(Service):
    """``azure-messaging-webpubsubservice`` 1.3.0."""

    def __init__(self, driver, colour, how, *args, **kwargs):
        self._driver = driver
        self._handle = driver.new_handle()
        driver.call("service", handle=self._handle, colour=colour, how=how, args=args, kwargs=kwargs)

    def run(self, operation, args, kwargs):
        if operation == "list_connections":
            return self._list(**kwargs)
        return self._driver.call("call", handle=self._handle, method=operation, args=args, kwargs=kwargs)

    def _list(self, *, pages=False, **kwargs):
        return self._driver.call("list", handle=self._handle, pages=pages, kwargs=kwargs)

    def operations(self):
        return set(self._driver.call("methods", handle=self._handle))

    def dismiss(self):
        self._driver.call("close", handle=self._handle)


class JavaScriptService(Service):
    """``@azure/web-pubsub``."""

    def __init__(self, driver, connection_string, hub):
        self._driver = driver
        self._handle = driver.new_handle()
        # Without this option its pipeline refuses plain http, whatever the host.
        options = {"allowInsecureConnection": True, "retryOptions": {"maxRetries": 0}}
        driver.call("service", handle=self._handle, args=[connection_string, hub, options])

    def run(self, operation, args, kwargs):
        method, of_group = _JAVASCRIPT[operation]
        handle, args = self._handle, list(args)
        pages = kwargs.pop("pages", False)
        if of_group:
            handle = self._group(kwargs.pop("group") if "group" in kwargs else args.pop(0))
        options = {_OPTIONS[name]: value for name, value in kwargs.items()}
        if operation == "list_connections":
            return self._list(handle, options, pages)
        if operation.endswith("_permission"):
            # Here the connection comes first.
            args = args[::-1]
        return self._driver.call("call", handle=handle, method=method, args=[*args, options])

    def _group(self, name):
        handle = self._driver.new_handle()
        self._driver.call("group", handle=handle, of=self._handle, name=name)
        return handle

    def _list(self, handle, options, pages):
        found = self._driver.call("list", handle=handle, options=options, pages=pages)

        def member(each):
            return [each["connectionId"], each.get("userId")]

        return [list(map(member, page)) for page in found] if pages else list(map(member, found))

    def operations(self):
        of_hub = set(self._driver.call("methods", handle=self._handle)) - {"constructor", "group"}
        of_group = set(self._driver.call("methods", handle=self._group("g"))) - {"constructor"}
        return {(name, False) for name in of_hub} | {(name, True) for name in of_group}

    @staticmethod
    def translated():
        return set(_JAVASCRIPT.values())

    @staticmethod
    def names():
        return set(_JAVASCRIPT)

    def dismiss(self):
        """There is nothing to close."""


def make_service(kind, process, connection_string, hub):
    """Make a service client of a kind; ``process`` is a function that gives the process of a library."""
    if kind == "javascript":
        return JavaScriptService(process("node"), connection_string, hub)
    colour = "aio" if kind.endswith("aio") else "sync"
    return PublishedService(process("published"), colour, "connection_string", connection_string, hub)
