"""The operations of the service, each written once for both clients.

An operation names its request and the way its answer is read; it does no I/O. ``**options`` are those of
``CallOptions``: ``hub``, ``api_version``, ``headers``, ``params``, and azure-core's pipeline options for this call.
They are not repeated below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import time

from . import rest
from ._answers import exists, generated, healthy, nothing, page, page_options, reader, token
from ._body import encode_message
from ._names import name_list
from ._operation import Call, Done, Result, operation
from ._request import content_type_of
from ._tokens import (
    client_access,
    client_base_url,
    client_type,
    client_url,
    minutes,
)
from ._typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from ._version import VERSION

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._answers import Page
    from ._configuration import Configuration
    from ._models import ClientAccessToken, GeneratedToken
    from ._options import CallOptions

T = TypeVar("T")


class _Target:
    """What one call is about: the hub, the options of the request, and those that are left for the pipeline."""

    __slots__ = ("_cls", "_error_map", "hub", "options", "request")

    def __init__(self, config: Configuration, options: Any, *, needs_hub: bool = True) -> None:
        hub = options.pop("hub", None)
        self.hub: str = config.hub_for(hub) if needs_hub else ""
        self.request: dict[str, Any] = {"api_version": options.pop("api_version", config.api_version)}
        for name in ("headers", "params"):
            if name in options:
                self.request[name] = options.pop(name)
        self._cls = options.pop("cls", None)
        self._error_map = options.pop("error_map", None)
        if options:
            config.check_call(options)
        self.options: dict[str, Any] = options

    def message(self, message: Any, content_type: str | None) -> dict[str, Any]:
        """Return the builder's keywords for a message."""
        body, content_type = encode_message(message, content_type or content_type_of(self.request.get("headers")))
        return {"content": body, "content_type": content_type, **self.request}

    def permitted(self, permission: str, target_name: str | None) -> str | None:
        """Return the group of a permission.

        :raises ValueError: if the service will ask for one, and there is none.
        """
        given = target_name or "targetName" in (self.request.get("params") or {})
        if not given and permission in {"sendToGroup", "joinLeaveGroup"}:
            raise ValueError(f"target_name is missing: say which group the permission {permission!r} is for")
        return target_name

    def call(self, request: Any, *statuses: int, read: Callable[[Any], T]) -> Call[T]:
        """Return the request with the way to read its answer."""
        return Call(request, reader(statuses, read, self._error_map, self._cls), self.options)


class Operations:
    """The operations that both clients have."""

    _instrumentation_config: Mapping[str, str] = {  # what azure-core's spans say of the library that makes them
        "library_name": "azure-messaging-webpubsubservice",
        "library_version": VERSION,
    }

    def _set_up(self, config: Configuration) -> None:
        self._config = config
        self.endpoint: str = config.endpoint.base
        """The service's endpoint, without a slash at its end."""
        self.hub: str | None = config.hub
        """Name of the hub that operations are about, or None."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} endpoint:{self.endpoint!r}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"a {type(self).__name__} holds a key and connections, and is neither pickled nor copied:"
            f" make one in each process, from its connection string"
        )

    @operation
    def send_to_all(
        self,
        message: Any,
        *,
        excluded: list[str] | None = None,
        filter: str | None = None,
        message_ttl_seconds: int | None = None,
        content_type: str | None = None,
        **options: Unpack[CallOptions],
    ) -> Result[None]:
        """Send a message to every connection of the hub.

        The service accepts a message (202) before it delivers it, also if nobody is there.

        :param message: Bytes and binary streams go as binary, anything else as JSON: a ``str`` becomes a JSON
            string, with quotes, unless ``content_type`` is ``text/plain``. At most 1 MB.
        :keyword excluded: Ids of connections to leave out.
        :paramtype excluded: list[str] or None
        :keyword str filter: OData expression that picks the receivers, see :func:`~.filters.odata`.
        :keyword int message_ttl_seconds: Seconds, 0 to 300, after which a message that still waits for a reliable
            client is dropped; 0 is never.
        :keyword str content_type: ``application/json``, ``text/plain`` or ``application/octet-stream``.
        :raises TypeError: if the message is of no type that can be sent.
        :raises ValueError: if there is no hub, the content type is another one, or a value is not JSON.
        :raises ~azure.core.exceptions.HttpResponseError: if the service refuses.
        """
        to = _Target(self._config, options)
        return to.call(
            rest.build_send_to_all_request(
                to.hub,
                excluded=excluded,
                filter=filter,
                message_ttl_seconds=message_ttl_seconds,
                **to.message(message, content_type),
            ),
            202,
            read=nothing,
        )

    @operation
    def send_to_group(
        self,
        group: str,
        message: Any,
        *,
        excluded: list[str] | None = None,
        filter: str | None = None,
        message_ttl_seconds: int | None = None,
        content_type: str | None = None,
        **options: Unpack[CallOptions],
    ) -> Result[None]:
        """Send a message to every connection of a group.

        :param str group: Name of the group, 1 to 1024 characters, case-sensitive.
        :param message: Bytes and binary streams go as binary, anything else as JSON, see :meth:`send_to_all`.
        :keyword excluded: Ids of connections to leave out.
        :paramtype excluded: list[str] or None
        :keyword str filter: OData expression that picks the receivers, see :func:`~.filters.odata`.
        :keyword int message_ttl_seconds: Seconds, 0 to 300, that the message may wait for a reliable client; 0 is
            for ever.
        :keyword str content_type: ``application/json``, ``text/plain`` or ``application/octet-stream``.
        :raises TypeError: if the message is of no type that can be sent.
        :raises ValueError: if there is no hub, the content type is another one, or a value is not JSON.
        :raises ~azure.core.exceptions.HttpResponseError: if the service refuses.
        """
        to = _Target(self._config, options)
        return to.call(
            rest.build_send_to_group_request(
                to.hub,
                group,
                excluded=excluded,
                filter=filter,
                message_ttl_seconds=message_ttl_seconds,
                **to.message(message, content_type),
            ),
            202,
            read=nothing,
        )

    @operation
    def send_to_user(
        self,
        user_id: str,
        message: Any,
        *,
        filter: str | None = None,
        message_ttl_seconds: int | None = None,
        content_type: str | None = None,
        **options: Unpack[CallOptions],
    ) -> Result[None]:
        """Send a message to every connection of a user.

        :param str user_id: Id of the user, case-sensitive.
        :param message: Bytes and binary streams go as binary, anything else as JSON, see :meth:`send_to_all`.
        :keyword str filter: OData expression that picks the receivers, see :func:`~.filters.odata`.
        :keyword int message_ttl_seconds: Seconds, 0 to 300, that the message may wait for a reliable client; 0 is
            for ever.
        :keyword str content_type: ``application/json``, ``text/plain`` or ``application/octet-stream``.
        :raises TypeError: if the message is of no type that can be sent.
        :raises ValueError: if there is no hub, the content type is another one, or a value is not JSON.
        :raises ~azure.core.exceptions.HttpResponseError: if the service refuses.
        """
        to = _Target(self._config, options)
        return to.call(
            rest.build_send_to_user_request(
                to.hub,
                user_id,
                filter=filter,
                message_ttl_seconds=message_ttl_seconds,
                **to.message(message, content_type),
            ),
            202,
            read=nothing,
        )

    @operation
    def send_to_connection(
        self,
        connection_id: str,
        message: Any,
        *,
        message_ttl_seconds: int | None = None,
        content_type: str | None = None,
        **options: Unpack[CallOptions],
    ) -> Result[None]:
        """Send a message to one connection.

        :param str connection_id: Id of the connection.
        :param message: Bytes and binary streams go as binary, anything else as JSON, see :meth:`send_to_all`.
        :keyword int message_ttl_seconds: Seconds, 0 to 300, that the message may wait for a reliable client; 0 is
            for ever.
        :keyword str content_type: ``application/json``, ``text/plain`` or ``application/octet-stream``.
        :raises TypeError: if the message is of no type that can be sent.
        :raises ValueError: if there is no hub, the content type is another one, or a value is not JSON.
        :raises ~azure.core.exceptions.HttpResponseError: if the service refuses.
        """
        to = _Target(self._config, options)
        return to.call(
            rest.build_send_to_connection_request(
                to.hub,
                connection_id,
                message_ttl_seconds=message_ttl_seconds,
                **to.message(message, content_type),
            ),
            202,
            read=nothing,
        )

    @operation
    def connection_exists(
        self,
        connection_id: str,
        **options: Unpack[CallOptions],
    ) -> Result[bool]:
        """Say whether a connection is open.

        :param str connection_id: Id of the connection.
        :raises ValueError: if there is no hub, or a name cannot be addressed.
        :raises ~azure.core.exceptions.ResourceNotFoundError: if a 404 does not come from the service.
        :raises ~azure.core.exceptions.HttpResponseError: if the service refuses.
        :rtype: bool
        """
        to = _Target(self._config, options)
        return to.call(
            rest.build_connection_exists_request(
                to.hub,
                connection_id,
                **to.request,
            ),
            200,
            404,
            read=exists,
        )

    @operation
    def group_exists(
        self,
        group: str,
        **options: Unpack[CallOptions],
    ) -> Result[bool]:
        """Say whether a group has any connection.

        :param str group: Name of the group, 1 to 1024 characters, case-sensitive.
        :raises ValueError: if there is no hub, or a name cannot be addressed.
        :raises ~azure.core.exceptions.ResourceNotFoundError: if a 404 does not come from the service.
        :raises ~azure.core.exceptions.HttpResponseError: if the service refuses.
        :rtype: bool
        """
        to = _Target(self._config, options)
        return to.call(
            rest.build_group_exists_request(
                to.hub,
                group,
                **to.request,
            ),
            200,
            404,
            read=exists,
        )

    @operation
    def user_exists(
        self,
        user_id: str,
        **options: Unpack[CallOptions],
    ) -> Result[bool]:
        """Say whether a user has any connection.

        :param str user_id: Id of the user, case-sensitive.
        :raises ValueError: if there is no hub, or a name cannot be addressed.
        :raises ~azure.core.exceptions.ResourceNotFoundError: if a 404 does not come from the service.
        :raises ~azure.core.exceptions.HttpResponseError: if the service refuses.
        :rtype: bool
        """
        to = _Target(self._config, options)
        return to.call(
            rest.build_user_exists_request(
                to.hub,
                user_id,
                **to.request,
            ),
            200,
            404,
            read=exists,
        )

    @operation
    def close_connection(
        self,
        connection_id: str,
        *,
        reason: str | None = None,
        **options: Unpack[CallOptions],
    ) -> Result[None]:
        """Close one connection; it is no error if there is none.

        :param str connection_id: Id of the connection.
        :keyword str reason: Why; clients of a PubSub subprotocol are told.
        :raises ValueError: if there is no hub, or a name cannot be addressed.
        :raises ~azure.core.exceptions.HttpResponseError: if the service refuses.
        """
        to = _Target(self._config, options)
        return to.call(
            rest.build_close_client_connection_request(
                to.hub,
                connection_id,
                reason=reason,
                **to.request,
            ),
            204,
            read=nothing,
        )

    @operation
    def close_all_connections(
        self,
        *,
        excluded: list[str] | None = None,
        reason: str | None = None,
        **options: Unpack[CallOptions],
    ) -> Result[None]:
        """Close every connection of the hub.

        :keyword excluded: Ids of connections to leave out.
        :paramtype excluded: list[str] or None
        :keyword str reason: Why; clients of a PubSub subprotocol are told.
        :raises ValueError: if there is no hub, or a name cannot be addressed.
        :raises ~azure.core.exceptions.HttpResponseError: if the service refuses.
        """
        to = _Target(self._config, options)
        return to.call(
            rest.build_close_all_connections_request(
                to.hub,
                excluded=excluded,
                reason=reason,
                **to.request,
            ),
            204,
            read=nothing,
        )

    @operation
    def close_group_connections(
        self,
        group: str,
        *,
        excluded: list[str] | None = None,
        reason: str | None = None,
        **options: Unpack[CallOptions],
    ) -> Result[None]:
        """Close every connection of a group.

        :param str group: Name of the group, 1 to 1024 characters, case-sensitive.
        :keyword excluded: Ids of connections to leave out.
        :paramtype excluded: list[str] or None
        :keyword str reason: Why; clients of a PubSub subprotocol are told.
        :raises ValueError: if there is no hub, or a name cannot be addressed.
        :raises ~azure.core.exceptions.HttpResponseError: if the service refuses.
        """
        to = _Target(self._config, options)
        return to.call(
            rest.build_close_group_connections_request(
                to.hub,
                group,
                excluded=excluded,
                reason=reason,
                **to.request,
            ),
            204,
            read=nothing,
        )

    @operation
    def close_user_connections(
        self,
        user_id: str,
        *,
        excluded: list[str] | None = None,
        reason: str | None = None,
        **options: Unpack[CallOptions],
    ) -> Result[None]:
        """Close every connection of a user.

        :param str user_id: Id of the user, case-sensitive.
        :keyword excluded: Ids of connections to leave out.
        :paramtype excluded: list[str] or None
        :keyword str reason: Why; clients of a PubSub subprotocol are told.
        :raises ValueError: if there is no hub, or a name cannot be addressed.
        :raises ~azure.core.exceptions.HttpResponseError: if the service refuses.
        """
        to = _Target(self._config, options)
        return to.call(
            rest.build_close_user_connections_request(
                to.hub,
                user_id,
                excluded=excluded,
                reason=reason,
                **to.request,
            ),
            204,
            read=nothing,
        )

    @operation
    def add_connection_to_group(
        self,
        group: str,
        connection_id: str,
        **options: Unpack[CallOptions],
    ) -> Result[None]:
        """Put a connection into a group.

        :param str group: Name of the group, 1 to 1024 characters, case-sensitive.
        :param str connection_id: Id of the connection.
        :raises ValueError: if there is no hub, or a name cannot be addressed.
        :raises ~azure.core.exceptions.ResourceNotFoundError: if the connection is not open.
        :raises ~azure.core.exceptions.HttpResponseError: if the service refuses.
        """
        to = _Target(self._config, options)
        return to.call(
            rest.build_add_connection_to_group_request(
                to.hub,
                group,
                connection_id,
                **to.request,
            ),
            200,
            read=nothing,
        )

    @operation
    def remove_connection_from_group(
        self,
        group: str,
        connection_id: str,
        **options: Unpack[CallOptions],
    ) -> Result[None]:
        """Take a connection out of a group; it is no error if it is not in it.

        :param str group: Name of the group, 1 to 1024 characters, case-sensitive.
        :param str connection_id: Id of the connection.
        :raises ValueError: if there is no hub, or a name cannot be addressed.
        :raises ~azure.core.exceptions.HttpResponseError: if the service refuses.
        """
        to = _Target(self._config, options)
        return to.call(
            rest.build_remove_connection_from_group_request(
                to.hub,
                group,
                connection_id,
                **to.request,
            ),
            204,
            read=nothing,
        )

    @operation
    def remove_connection_from_all_groups(
        self,
        connection_id: str,
        **options: Unpack[CallOptions],
    ) -> Result[None]:
        """Take a connection out of every group.

        :param str connection_id: Id of the connection.
        :raises ValueError: if there is no hub, or a name cannot be addressed.
        :raises ~azure.core.exceptions.HttpResponseError: if the service refuses.
        """
        to = _Target(self._config, options)
        return to.call(
            rest.build_remove_connection_from_all_groups_request(
                to.hub,
                connection_id,
                **to.request,
            ),
            204,
            read=nothing,
        )

    @operation
    def add_user_to_group(
        self,
        group: str,
        user_id: str,
        **options: Unpack[CallOptions],
    ) -> Result[None]:
        """Put every connection of a user into a group.

        :param str group: Name of the group, 1 to 1024 characters, case-sensitive.
        :param str user_id: Id of the user, case-sensitive.
        :raises ValueError: if there is no hub, or a name cannot be addressed.
        :raises ~azure.core.exceptions.ResourceNotFoundError: if the user has no connection.
        :raises ~azure.core.exceptions.HttpResponseError: if the service refuses.
        """
        to = _Target(self._config, options)
        return to.call(
            rest.build_add_user_to_group_request(
                to.hub,
                group,
                user_id,
                **to.request,
            ),
            200,
            read=nothing,
        )

    @operation
    def remove_user_from_group(
        self,
        group: str,
        user_id: str,
        **options: Unpack[CallOptions],
    ) -> Result[None]:
        """Take every connection of a user out of a group; it is no error if none is in it.

        :param str group: Name of the group, 1 to 1024 characters, case-sensitive.
        :param str user_id: Id of the user, case-sensitive.
        :raises ValueError: if there is no hub, or a name cannot be addressed.
        :raises ~azure.core.exceptions.HttpResponseError: if the service refuses.
        """
        to = _Target(self._config, options)
        return to.call(
            rest.build_remove_user_from_group_request(
                to.hub,
                group,
                user_id,
                **to.request,
            ),
            204,
            read=nothing,
        )

    @operation
    def remove_user_from_all_groups(
        self,
        user_id: str,
        **options: Unpack[CallOptions],
    ) -> Result[None]:
        """Take every connection of a user out of every group.

        :param str user_id: Id of the user, case-sensitive.
        :raises ValueError: if there is no hub, or a name cannot be addressed.
        :raises ~azure.core.exceptions.HttpResponseError: if the service refuses.
        """
        to = _Target(self._config, options)
        return to.call(
            rest.build_remove_user_from_all_groups_request(
                to.hub,
                user_id,
                **to.request,
            ),
            204,
            read=nothing,
        )

    @operation
    def grant_permission(
        self,
        permission: str,
        connection_id: str,
        *,
        target_name: str | None = None,
        **options: Unpack[CallOptions],
    ) -> Result[None]:
        """Let a connection join and leave a group, or send to it.

        :param str permission: ``sendToGroup`` or ``joinLeaveGroup``.
        :param str connection_id: Id of the connection.
        :keyword str target_name: The group that the permission is for: both permissions need one.
        :raises ValueError: if there is no hub, no group, or a name cannot be addressed.
        :raises ~azure.core.exceptions.ResourceNotFoundError: if the connection is not open.
        :raises ~azure.core.exceptions.HttpResponseError: if the service refuses.
        """
        to = _Target(self._config, options)
        return to.call(
            rest.build_grant_permission_request(
                to.hub,
                permission,
                connection_id,
                target_name=to.permitted(permission, target_name),
                **to.request,
            ),
            200,
            read=nothing,
        )

    @operation
    def revoke_permission(
        self,
        permission: str,
        connection_id: str,
        *,
        target_name: str | None = None,
        **options: Unpack[CallOptions],
    ) -> Result[None]:
        """Take a permission from a connection.

        A connection that is in the group stays in it.

        :param str permission: ``sendToGroup`` or ``joinLeaveGroup``.
        :param str connection_id: Id of the connection.
        :keyword str target_name: The group that the permission is for: both permissions need one.
        :raises ValueError: if there is no hub, no group, or a name cannot be addressed.
        :raises ~azure.core.exceptions.HttpResponseError: if the service refuses.
        """
        to = _Target(self._config, options)
        return to.call(
            rest.build_revoke_permission_request(
                to.hub,
                permission,
                connection_id,
                target_name=to.permitted(permission, target_name),
                **to.request,
            ),
            204,
            read=nothing,
        )

    @operation
    def has_permission(
        self,
        permission: str,
        connection_id: str,
        *,
        target_name: str | None = None,
        **options: Unpack[CallOptions],
    ) -> Result[bool]:
        """Say whether a connection has a permission.

        :param str permission: ``sendToGroup`` or ``joinLeaveGroup``.
        :param str connection_id: Id of the connection.
        :keyword str target_name: The group that the permission is for: both permissions need one.
        :raises ValueError: if there is no hub, no group, or a name cannot be addressed.
        :raises ~azure.core.exceptions.ResourceNotFoundError: if a 404 does not come from the service.
        :raises ~azure.core.exceptions.HttpResponseError: if the service refuses.
        :rtype: bool
        """
        to = _Target(self._config, options)
        return to.call(
            rest.build_check_permission_request(
                to.hub,
                permission,
                connection_id,
                target_name=to.permitted(permission, target_name),
                **to.request,
            ),
            200,
            404,
            read=exists,
        )

    check_permission = has_permission

    @operation
    def add_connections_to_groups(self, groups: list[str], filter: str, **options: Unpack[CallOptions]) -> Result[None]:
        """Put the connections that a filter picks into groups.

        :param groups: Names of the groups, at least one.
        :type groups: list[str]
        :param str filter: OData expression that picks the connections, see :func:`~.filters.odata`. The empty text
            ``""`` picks **every** connection of the hub, which is why it has to be given.
        :raises TypeError: if ``filter`` is not text.
        :raises ValueError: if there is no hub.
        :raises ~azure.core.exceptions.HttpResponseError: if the service refuses.
        """
        to = _Target(self._config, options)
        return to.call(
            rest.build_add_connections_to_groups_request(to.hub, groups, filter, **to.request), 200, 204, read=nothing
        )

    @operation
    def remove_connections_from_groups(
        self, groups: list[str], filter: str, **options: Unpack[CallOptions]
    ) -> Result[None]:
        """Take the connections that a filter picks out of groups.

        :param groups: Names of the groups, at least one.
        :type groups: list[str]
        :param str filter: OData expression that picks the connections, see :func:`~.filters.odata`. The empty text
            ``""`` picks **every** connection of the hub, which is why it has to be given.
        :raises TypeError: if ``filter`` is not text.
        :raises ValueError: if there is no hub.
        :raises ~azure.core.exceptions.HttpResponseError: if the service refuses.
        """
        to = _Target(self._config, options)
        return to.call(
            rest.build_remove_connections_from_groups_request(to.hub, groups, filter, **to.request),
            200,
            204,
            read=nothing,
        )

    @operation
    def get_service_status(self, **options: Unpack[CallOptions]) -> Result[bool]:
        """Say whether the service is healthy; it is asked without credentials counting.

        :raises ~azure.core.exceptions.HttpResponseError: if it does not answer with 200.
        :rtype: bool
        """
        to = _Target(self._config, options, needs_hub=False)
        return to.call(rest.build_healthapi_get_health_status_request(**to.request), 200, read=healthy)

    @operation
    def get_client_access_token(
        self,
        *,
        user_id: str | None = None,
        roles: list[str] | None = None,
        groups: list[str] | None = None,
        minutes_to_expire: int = 60,
        client_protocol: str = "Default",
        jwt_headers: Mapping[str, Any] | None = None,
        **options: Unpack[CallOptions],
    ) -> Result[ClientAccessToken]:
        """Get the URL and token with which a client, such as a browser, connects to the hub.

        With an access key the token is signed here and no request is made; with Entra ID the service mints it.

        :keyword str user_id: The user that the client will be (claim ``sub``).
        :keyword roles: Roles of the client: ``webpubsub.joinLeaveGroup``, ``webpubsub.sendToGroup``, or the same with
            ``.`` and the name of a group after it.
        :paramtype roles: list[str] or None
        :keyword groups: Groups that the client is in from the start (claim ``webpubsub.group``).
        :paramtype groups: list[str] or None
        :keyword int minutes_to_expire: Minutes in which a connection can be opened with the token, at least 1. An open
            connection outlives its token.
        :keyword str client_protocol: ``Default``, ``MQTT`` or ``SocketIO``.
        :keyword jwt_headers: More headers for the token; only with an access key.
        :paramtype jwt_headers: ~collections.abc.Mapping[str, ~typing.Any] or None
        :raises TypeError: if a keyword is not known, or a role or group is not text.
        :raises ValueError: if there is no hub, no such protocol, or the lifetime is below a minute.
        :raises ~azure.core.exceptions.HttpResponseError: if the service, asked with Entra ID, refuses.
        :rtype: ~azure.messaging.webpubsubservice.ClientAccessToken
        """
        to = _Target(self._config, options)
        seconds = minutes(minutes_to_expire)
        key = self._config.access_key()
        if key is not None:
            self._config.check_call(to.options, sent=False)
            return Done(
                client_access(
                    self._config.endpoint,
                    to.hub,
                    key,
                    now=time(),
                    user_id=user_id,
                    roles=roles,
                    groups=groups,
                    seconds=seconds,
                    client_protocol=client_protocol,
                    jwt_headers=jwt_headers,
                )
            )
        if jwt_headers:
            raise ValueError(
                "jwt_headers needs an access key: with Entra ID the service makes the token and takes none"
            )
        base_url = client_base_url(self._config.endpoint, to.hub, client_protocol)
        return to.call(
            rest.build_generate_client_token_request(
                to.hub,
                user_id=user_id or None,
                roles=name_list("roles", roles),
                groups=name_list("groups", groups),
                minutes_to_expire=minutes_to_expire,
                client_type=client_type(client_protocol),
                **to.request,
            ),
            200,
            read=lambda response: client_url(base_url, token(response)),
        )

    @operation
    def generate_client_token(
        self,
        *,
        user_id: str | None = None,
        roles: list[str] | None = None,
        groups: list[str] | None = None,
        minutes_to_expire: int | None = None,
        client_type: str | None = None,
        **options: Unpack[CallOptions],
    ) -> Result[GeneratedToken]:
        """Let the service mint a client access token: ``{"token": ...}``.

        The service does this for Entra ID callers only; :meth:`get_client_access_token` serves both kinds of
        credential.

        :keyword str user_id: The user that the client will be (claim ``sub``).
        :keyword roles: Roles of the client.
        :paramtype roles: list[str] or None
        :keyword groups: Groups that the client is in from the start.
        :paramtype groups: list[str] or None
        :keyword int minutes_to_expire: Lifetime in minutes, at least 1; the service's default is 60.
        :keyword str client_type: ``Default``, ``MQTT`` or ``SocketIO``.
        :raises ValueError: if there is no hub.
        :raises ~azure.core.exceptions.ClientAuthenticationError: if the credential is an access key.
        :raises ~azure.core.exceptions.HttpResponseError: if the service refuses.
        :rtype: ~azure.messaging.webpubsubservice.GeneratedToken
        """
        to = _Target(self._config, options)
        return to.call(
            rest.build_generate_client_token_request(
                to.hub,
                user_id=user_id,
                roles=roles,
                groups=groups,
                minutes_to_expire=minutes_to_expire,
                client_type=client_type,
                **to.request,
            ),
            200,
            read=generated,
        )


def page_call(  # noqa: PLR0917 - the arguments of list_connections, passed on
    config: Configuration,
    group: str,
    top: int | None,
    maxpagesize: int | None,
    continuation_token: str | None,
    options: Mapping[str, Any],
) -> Call[Page]:
    """Return the call for one page of the connections of a group."""
    to = _Target(config, dict(options))
    asked = {"top": top, "maxpagesize": maxpagesize, **page_options(continuation_token)}
    return to.call(rest.build_list_connections_in_group_request(to.hub, group, **asked, **to.request), 200, read=page)
