"""The client. Written from its twin, ``aio/_client``, by ``tests/test_twins.py``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any, TypeVar

from . import _types as types
from . import rest
from ._answers import Page, exists, generated, healthy, nothing, page, result_of, token
from ._configuration import Call, pipeline_options, wants_span
from ._lifecycle import Lifecycle
from ._names import either
from ._outgoing import outgoing
from ._paging import Pages
from ._request import bulk_membership
from ._tokens import client_url, protocol_of
from ._types import Unpack

T = TypeVar("T")


class WebPubSubServiceClient(Lifecycle["types.TokenCredential"]):
    """Sends messages through Azure Web PubSub and manages who receives them.

    Example::

        from azure.core.credentials import AzureKeyCredential
        from azure.messaging.webpubsubservice import WebPubSubServiceClient

        client = WebPubSubServiceClient("https://name.webpubsub.azure.com", AzureKeyCredential("key"), hub="chat")

    The older form ``WebPubSubServiceClient(endpoint, hub, credential)`` means the same: a ``str`` is the hub.
    One client may be used by many threads. Nothing is connected before the first request.
    A copy of a client, or what ``pickle`` makes of it, has the same settings and connections of its own.

    Every operation also takes the keywords of :class:`~azure.messaging.webpubsubservice.CallOptions`, such as ``hub``.
    A missing hub, or a name that no URL can carry, is a ``ValueError``, an unknown keyword a ``TypeError``. What the
    service refuses is an :class:`~azure.core.exceptions.HttpResponseError`, what could not be sent a
    ``ServiceRequestError``, and what may have run, but got no answer, a ``ServiceResponseError``.

    :param str endpoint: The service's endpoint, such as ``https://name.webpubsub.azure.com``.
    :param credential_or_hub: The credential; or the hub, and the credential after it.
    :param credential_after_hub: The credential, where a hub comes before it.
    :keyword str hub: Name of the hub that operations are about, unless a call names another one with ``hub=``.
    :keyword credential: The access key (``AzureKeyCredential``) or an identity of Entra ID (``TokenCredential``).
    :keyword options: Those of :class:`~azure.messaging.webpubsubservice.ClientOptions`, such as ``timeout``.
    :raises TypeError: if the arguments fit no form or a keyword is not known.
    :raises ValueError: if the endpoint is no http or https URL.
    :raises ~msrest.exceptions.ValidationError: if the hub is no name of a hub.
    """

    _asynchronous = False

    def send_to_all(
        self,
        message: Any,
        *,
        excluded: list[str] | None = None,
        filter: str | None = None,
        message_ttl_seconds: int | None = None,
        metadata: Mapping[str, str] | None = None,
        content_type: str | None = None,
        **options: Unpack[types.CallOptions],
    ) -> None:
        """Send a message to every connection of the hub.

        The service accepts a message (202) before it delivers it, also if nobody is there.

        Example::

            client.send_to_all({"hello": "world"})
            client.send_to_all("as it is", content_type="text/plain")

        :param message: Bytes and binary streams go as binary, anything else as JSON: a ``str`` becomes a JSON string,
            with quotes, unless ``content_type`` is ``text/plain``. At most 1 MB.
        :keyword list[str] excluded: Ids of connections to leave out.
        :keyword str filter: OData expression that picks the receivers, see :func:`~.filters.odata` (since 2022-11-01).
        :keyword int message_ttl_seconds: 0 to 300 seconds to wait for reliable clients; 0: no limit (since 2024-01-01).
        :keyword ~collections.abc.Mapping metadata: Names and values, of text, that subprotocol clients get too.
        :keyword str content_type: ``application/json``, ``text/plain`` or ``application/octet-stream``.
        :raises ValueError: if there is no hub, the content type is another one, or a value is not JSON (or TypeError).
        """
        call = Call(self._config, self.send_to_all, options)
        body = call.message(message, content_type, metadata, message_ttl_seconds)
        request = rest.build_send_to_all_request(call.hub, excluded=excluded, filter=filter, **body)
        return self._run(call, request, nothing, 202)

    def send_to_group(
        self,
        group: str,
        message: Any,
        *,
        excluded: list[str] | None = None,
        filter: str | None = None,
        message_ttl_seconds: int | None = None,
        metadata: Mapping[str, str] | None = None,
        content_type: str | None = None,
        **options: Unpack[types.CallOptions],
    ) -> None:
        """Send a message to every connection of a group.

        Example::

            client.send_to_group("lobby", {"hello": "world"}, message_ttl_seconds=60)

        :param str group: Name of the group, 1 to 1024 characters, case-sensitive.
        :param message: What to send, as in :meth:`send_to_all`.
        :keyword list[str] excluded: Ids of connections to leave out.
        :keyword str filter: OData expression that picks the receivers, see :func:`~.filters.odata` (since 2022-11-01).
        :keyword int message_ttl_seconds: 0 to 300 seconds to wait for reliable clients; 0: no limit (since 2024-01-01).
        :keyword ~collections.abc.Mapping metadata: Names and values, of text, that subprotocol clients get too.
        :keyword str content_type: ``application/json``, ``text/plain`` or ``application/octet-stream``.
        :raises ValueError: if there is no hub, the content type is another one, or a value is not JSON (or TypeError).
        """
        call = Call(self._config, self.send_to_group, options)
        body = call.message(message, content_type, metadata, message_ttl_seconds)
        request = rest.build_send_to_group_request(call.hub, group, excluded=excluded, filter=filter, **body)
        return self._run(call, request, nothing, 202)

    def send_to_user(
        self,
        user_id: str,
        message: Any,
        *,
        filter: str | None = None,
        message_ttl_seconds: int | None = None,
        metadata: Mapping[str, str] | None = None,
        content_type: str | None = None,
        **options: Unpack[types.CallOptions],
    ) -> None:
        """Send a message to every connection of a user.

        Example::

            client.send_to_user("ada", b"some bytes")

        :param str user_id: Id of the user, case-sensitive.
        :param message: What to send, as in :meth:`send_to_all`.
        :keyword str filter: OData expression that picks the receivers, see :func:`~.filters.odata` (since 2022-11-01).
        :keyword int message_ttl_seconds: 0 to 300 seconds to wait for reliable clients; 0: no limit (since 2024-01-01).
        :keyword ~collections.abc.Mapping metadata: Names and values, of text, that subprotocol clients get too.
        :keyword str content_type: ``application/json``, ``text/plain`` or ``application/octet-stream``.
        :raises ValueError: if there is no hub, the content type is another one, or a value is not JSON (or TypeError).
        """
        call = Call(self._config, self.send_to_user, options)
        body = call.message(message, content_type, metadata, message_ttl_seconds)
        request = rest.build_send_to_user_request(call.hub, user_id, filter=filter, **body)
        return self._run(call, request, nothing, 202)

    def send_to_connection(
        self,
        connection_id: str,
        message: Any,
        *,
        message_ttl_seconds: int | None = None,
        metadata: Mapping[str, str] | None = None,
        content_type: str | None = None,
        **options: Unpack[types.CallOptions],
    ) -> None:
        """Send a message to one connection.

        Example::

            client.send_to_connection(connection_id, {"only": "you"})

        :param str connection_id: Id of the connection, as the service gave it.
        :param message: What to send, as in :meth:`send_to_all`.
        :keyword int message_ttl_seconds: 0 to 300 seconds to wait for reliable clients; 0: no limit (since 2024-01-01).
        :keyword ~collections.abc.Mapping metadata: Names and values, of text, that subprotocol clients get too.
        :keyword str content_type: ``application/json``, ``text/plain`` or ``application/octet-stream``.
        :raises ValueError: if there is no hub, the content type is another one, or a value is not JSON (or TypeError).
        """
        call = Call(self._config, self.send_to_connection, options)
        body = call.message(message, content_type, metadata, message_ttl_seconds)
        request = rest.build_send_to_connection_request(call.hub, connection_id, **body)
        return self._run(call, request, nothing, 202)

    def connection_exists(self, connection_id: str, **options: Unpack[types.CallOptions]) -> bool:
        """Say whether a connection is open.

        Example::

            assert client.connection_exists(connection_id)

        :param str connection_id: Id of the connection, as the service gave it.
        :raises ~azure.core.exceptions.HttpResponseError: if the service refuses, or a 404 is not the service's.
        """
        call = Call(self._config, self.connection_exists, options)
        request = rest.build_connection_exists_request(call.hub, connection_id, **call.request)
        return self._run(call, request, exists, 200, 404)

    def group_exists(self, group: str, **options: Unpack[types.CallOptions]) -> bool:
        """Say whether a group has any connection.

        Example::

            print(client.group_exists("lobby"))

        :param str group: Name of the group, 1 to 1024 characters, case-sensitive.
        :raises ~azure.core.exceptions.HttpResponseError: if the service refuses, or a 404 is not the service's.
        """
        call = Call(self._config, self.group_exists, options)
        request = rest.build_group_exists_request(call.hub, group, **call.request)
        return self._run(call, request, exists, 200, 404)

    def user_exists(self, user_id: str, **options: Unpack[types.CallOptions]) -> bool:
        """Say whether a user has any connection.

        Example::

            assert client.user_exists("ada")

        :param str user_id: Id of the user, case-sensitive.
        :raises ~azure.core.exceptions.HttpResponseError: if the service refuses, or a 404 is not the service's.
        """
        call = Call(self._config, self.user_exists, options)
        request = rest.build_user_exists_request(call.hub, user_id, **call.request)
        return self._run(call, request, exists, 200, 404)

    def close_connection(
        self, connection_id: str, *, reason: str | None = None, **options: Unpack[types.CallOptions]
    ) -> None:
        """Close one connection; it is no error if there is none.

        Example::

            client.close_connection(connection_id, reason="good night")

        :param str connection_id: Id of the connection, as the service gave it.
        :keyword str reason: Why; clients of a PubSub subprotocol are told.
        """
        call = Call(self._config, self.close_connection, options)
        request = rest.build_close_client_connection_request(call.hub, connection_id, reason=reason, **call.request)
        return self._run(call, request, nothing, 204)

    def close_all_connections(
        self, *, excluded: list[str] | None = None, reason: str | None = None, **options: Unpack[types.CallOptions]
    ) -> None:
        """Close every connection of the hub.

        Example::

            client.close_all_connections(excluded=[connection_id], reason="maintenance")

        :keyword list[str] excluded: Ids of connections to leave out.
        :keyword str reason: Why; clients of a PubSub subprotocol are told.
        """
        call = Call(self._config, self.close_all_connections, options)
        request = rest.build_close_all_connections_request(call.hub, excluded=excluded, reason=reason, **call.request)
        return self._run(call, request, nothing, 204)

    def close_group_connections(
        self,
        group: str,
        *,
        excluded: list[str] | None = None,
        reason: str | None = None,
        **options: Unpack[types.CallOptions],
    ) -> None:
        """Close every connection of a group.

        Example::

            client.close_group_connections("lobby")

        :param str group: Name of the group, 1 to 1024 characters, case-sensitive.
        :keyword list[str] excluded: Ids of connections to leave out.
        :keyword str reason: Why; clients of a PubSub subprotocol are told.
        """
        call = Call(self._config, self.close_group_connections, options)
        asked: dict[str, Any] = {"excluded": excluded, "reason": reason, **call.request}
        request = rest.build_close_group_connections_request(call.hub, group, **asked)
        return self._run(call, request, nothing, 204)

    def close_user_connections(
        self,
        user_id: str,
        *,
        excluded: list[str] | None = None,
        reason: str | None = None,
        **options: Unpack[types.CallOptions],
    ) -> None:
        """Close every connection of a user.

        Example::

            client.close_user_connections("ada", reason="signed out")

        :param str user_id: Id of the user, case-sensitive.
        :keyword list[str] excluded: Ids of connections to leave out.
        :keyword str reason: Why; clients of a PubSub subprotocol are told.
        """
        call = Call(self._config, self.close_user_connections, options)
        asked: dict[str, Any] = {"excluded": excluded, "reason": reason, **call.request}
        request = rest.build_close_user_connections_request(call.hub, user_id, **asked)
        return self._run(call, request, nothing, 204)

    def add_connection_to_group(self, group: str, connection_id: str, **options: Unpack[types.CallOptions]) -> None:
        """Put a connection into a group.

        Example::

            client.add_connection_to_group("lobby", connection_id)

        :param str group: Name of the group, 1 to 1024 characters, case-sensitive.
        :param str connection_id: Id of the connection, as the service gave it.
        :raises ~azure.core.exceptions.ResourceNotFoundError: if the connection is not open.
        """
        call = Call(self._config, self.add_connection_to_group, options)
        request = rest.build_add_connection_to_group_request(call.hub, group, connection_id, **call.request)
        return self._run(call, request, nothing, 200)

    def remove_connection_from_group(
        self, group: str, connection_id: str, **options: Unpack[types.CallOptions]
    ) -> None:
        """Take a connection out of a group; it is no error if it is not in it.

        Example::

            client.remove_connection_from_group("lobby", connection_id)

        :param str group: Name of the group, 1 to 1024 characters, case-sensitive.
        :param str connection_id: Id of the connection, as the service gave it.
        """
        call = Call(self._config, self.remove_connection_from_group, options)
        request = rest.build_remove_connection_from_group_request(call.hub, group, connection_id, **call.request)
        return self._run(call, request, nothing, 204)

    def remove_connection_from_all_groups(self, connection_id: str, **options: Unpack[types.CallOptions]) -> None:
        """Take a connection out of every group (since 2022-11-01).

        Example::

            client.remove_connection_from_all_groups(connection_id)

        :param str connection_id: Id of the connection, as the service gave it.
        """
        call = Call(self._config, self.remove_connection_from_all_groups, options)
        request = rest.build_remove_connection_from_all_groups_request(call.hub, connection_id, **call.request)
        return self._run(call, request, nothing, 204)

    def add_user_to_group(self, group: str, user_id: str, **options: Unpack[types.CallOptions]) -> None:
        """Put every connection of a user into a group.

        Example::

            client.add_user_to_group("lobby", "ada")

        :param str group: Name of the group, 1 to 1024 characters, case-sensitive.
        :param str user_id: Id of the user, case-sensitive.
        :raises ~azure.core.exceptions.ResourceNotFoundError: if the user has no connection.
        """
        call = Call(self._config, self.add_user_to_group, options)
        request = rest.build_add_user_to_group_request(call.hub, group, user_id, **call.request)
        return self._run(call, request, nothing, 200)

    def remove_user_from_group(self, group: str, user_id: str, **options: Unpack[types.CallOptions]) -> None:
        """Take every connection of a user out of a group; it is no error if none is in it.

        Example::

            client.remove_user_from_group("lobby", "ada")

        :param str group: Name of the group, 1 to 1024 characters, case-sensitive.
        :param str user_id: Id of the user, case-sensitive.
        """
        call = Call(self._config, self.remove_user_from_group, options)
        request = rest.build_remove_user_from_group_request(call.hub, group, user_id, **call.request)
        return self._run(call, request, nothing, 204)

    def remove_user_from_all_groups(self, user_id: str, **options: Unpack[types.CallOptions]) -> None:
        """Take every connection of a user out of every group.

        Example::

            client.remove_user_from_all_groups("ada")

        :param str user_id: Id of the user, case-sensitive.
        """
        call = Call(self._config, self.remove_user_from_all_groups, options)
        request = rest.build_remove_user_from_all_groups_request(call.hub, user_id, **call.request)
        return self._run(call, request, nothing, 204)

    def grant_permission(
        self,
        permission: str,
        connection_id: str,
        *,
        target_name: str | None = None,
        **options: Unpack[types.CallOptions],
    ) -> None:
        """Let a connection join and leave a group, or send to it.

        Example::

            client.grant_permission("sendToGroup", connection_id, target_name="lobby")

        :param str permission: ``sendToGroup`` or ``joinLeaveGroup``.
        :param str connection_id: Id of the connection, as the service gave it.
        :keyword str target_name: The group that the permission is for: both permissions need one.
        :raises ValueError: if there is no hub or no group.
        :raises ~azure.core.exceptions.ResourceNotFoundError: if the connection is not open.
        """
        call = Call(self._config, self.grant_permission, options)
        asked = call.with_target(permission, target_name)
        request = rest.build_grant_permission_request(call.hub, permission, connection_id, **asked)
        return self._run(call, request, nothing, 200)

    def revoke_permission(
        self,
        permission: str,
        connection_id: str,
        *,
        target_name: str | None = None,
        **options: Unpack[types.CallOptions],
    ) -> None:
        """Take a permission from a connection; if it is in the group, it stays there.

        Example::

            client.revoke_permission("sendToGroup", connection_id, target_name="lobby")

        :param str permission: ``sendToGroup`` or ``joinLeaveGroup``.
        :param str connection_id: Id of the connection, as the service gave it.
        :keyword str target_name: The group that the permission is for: both permissions need one.
        :raises ValueError: if there is no hub or no group.
        """
        call = Call(self._config, self.revoke_permission, options)
        asked = call.with_target(permission, target_name)
        request = rest.build_revoke_permission_request(call.hub, permission, connection_id, **asked)
        return self._run(call, request, nothing, 204)

    def has_permission(
        self,
        permission: str,
        connection_id: str,
        *,
        target_name: str | None = None,
        **options: Unpack[types.CallOptions],
    ) -> bool:
        """Say whether a connection has a permission.

        Example::

            client.has_permission("sendToGroup", connection_id, target_name="lobby")

        :param str permission: ``sendToGroup`` or ``joinLeaveGroup``.
        :param str connection_id: Id of the connection, as the service gave it.
        :keyword str target_name: The group that the permission is for: both permissions need one.
        :raises ValueError: if there is no hub or no group.
        :raises ~azure.core.exceptions.HttpResponseError: if the service refuses, or a 404 is not the service's.
        """
        call = Call(self._config, self.has_permission, options)
        asked = call.with_target(permission, target_name)
        request = rest.build_check_permission_request(call.hub, permission, connection_id, **asked)
        return self._run(call, request, exists, 200, 404)

    check_permission = has_permission

    def add_connections_to_groups(
        self,
        groups: list[str] | Mapping[str, Any] | None = None,
        filter: str | None = None,
        *,
        groups_to_add: Mapping[str, Any] | IO[bytes] | None = None,
        content_type: str = "application/json",
        **options: Unpack[types.CallOptions],
    ) -> None:
        """Put the connections that a filter picks into groups (since 2024-01-01).

        Example::

            client.add_connections_to_groups(["lobby", "news"], "userId eq 'ada'")

        :param list[str] groups: Names of the groups, at least one; or a mapping as in ``groups_to_add``.
        :param str filter: OData expression, see :func:`~.filters.odata`; ``""`` picks **every** connection of the hub.
        :keyword ~collections.abc.Mapping groups_to_add: ``{"groups": [...], "filter": "..."}`` in place of both.
        :keyword str content_type: What a stream of such a mapping holds: JSON.
        :raises TypeError: if ``filter`` is not text, so that nobody means every connection by leaving it out.
        """
        call = Call(self._config, self.add_connections_to_groups, options)
        names, picked = bulk_membership(groups, filter, groups_to_add, "groups_to_add", content_type)
        request = rest.build_add_connections_to_groups_request(call.hub, names, picked, **call.request)
        return self._run(call, request, nothing, 200, 204)

    def remove_connections_from_groups(
        self,
        groups: list[str] | Mapping[str, Any] | None = None,
        filter: str | None = None,
        *,
        groups_to_remove: Mapping[str, Any] | IO[bytes] | None = None,
        content_type: str = "application/json",
        **options: Unpack[types.CallOptions],
    ) -> None:
        """Take the connections that a filter picks out of groups (since 2024-01-01).

        Example::

            client.remove_connections_from_groups(["lobby"], filter="")  # all connections of the hub

        :param list[str] groups: Names of the groups, at least one; or a mapping as in ``groups_to_remove``.
        :param str filter: OData expression, see :func:`~.filters.odata`; ``""`` picks **every** connection of the hub.
        :keyword ~collections.abc.Mapping groups_to_remove: ``{"groups": [...], "filter": "..."}`` in place of both.
        :keyword str content_type: What a stream of such a mapping holds: JSON.
        :raises TypeError: if ``filter`` is not text, so that nobody means every connection by leaving it out.
        """
        call = Call(self._config, self.remove_connections_from_groups, options)
        names, picked = bulk_membership(groups, filter, groups_to_remove, "groups_to_remove", content_type)
        request = rest.build_remove_connections_from_groups_request(call.hub, names, picked, **call.request)
        return self._run(call, request, nothing, 200, 204)

    def get_service_status(self, **options: Unpack[types.CallOptions]) -> bool:
        """Say whether the service is healthy; it is asked without credentials counting.

        Example::

            assert client.get_service_status()

        :raises ~azure.core.exceptions.HttpResponseError: if it does not answer with 200.
        """
        call = Call(self._config, self.get_service_status, options, needs_hub=False)
        request = rest.build_healthapi_get_health_status_request(**call.request)
        return self._run(call, request, healthy, 200)

    def list_connections(
        self,
        group: str,
        *,
        top: int | None = None,
        maxpagesize: int | None = None,
        continuation_token: str | None = None,
        continuation_token_parameter: str | None = None,
        **options: Unpack[types.CallOptions],
    ) -> types.ItemPaged[types.GroupMember]:
        """List the connections of a group, page by page as they are asked for (since 2024-12-01).

        Example::

            for member in client.list_connections("lobby"):
                print(member.connection_id, member.user_id)

        ``by_page(continuation_token)`` of the result goes on where an earlier listing stopped.

        :param str group: Name of the group, 1 to 1024 characters, case-sensitive.
        :keyword int top: How many connections to list in all, at least 1.
        :keyword int maxpagesize: How many to fetch at a time, 1 to 200.
        :keyword str continuation_token: Where to go on.
        :keyword str continuation_token_parameter: The same, by its name in 1.3.0.
        :raises ~azure.core.exceptions.HttpResponseError: if the service refuses, or its pages lead in a circle.
        """
        call = Call(self._config, self.list_connections, options)
        pages = Pages(call, group, top, maxpagesize, continuation_token or continuation_token_parameter)

        def fetch(token: str | None) -> Page:
            return pages.check(self._run(call, pages.request(token), page, 200), token)

        def split(found: Page) -> tuple[str | None, Iterator[types.GroupMember]]:
            return found[0], iter(found[1])

        return types.ItemPaged(fetch, split)

    list_connections_in_group = list_connections

    def get_client_access_token(
        self,
        *,
        user_id: str | None = None,
        roles: list[str] | None = None,
        groups: list[str] | None = None,
        minutes_to_expire: int = 60,
        client_protocol: str = "Default",
        jwt_headers: Mapping[str, Any] | None = None,
        **options: Unpack[types.CallOptions],
    ) -> types.ClientAccessToken:
        """Get the URL and token with which a client, such as a browser, connects to the hub.

        With an access key the token is signed here and no request is made; with Entra ID the service mints it.

        Example::

            token = client.get_client_access_token(user_id="ada", roles=["webpubsub.joinLeaveGroup.lobby"])
            assert token["url"].startswith(token["baseUrl"])

        :keyword str user_id: The user that the client will be (claim ``sub``).
        :keyword list[str] roles: Such as ``webpubsub.sendToGroup`` or, for one group, ``webpubsub.sendToGroup.lobby``.
        :keyword list[str] groups: Groups that the client is in from the start (claim ``webpubsub.group``).
        :keyword int minutes_to_expire: Minutes, at least 1, in which the token opens connections; they outlive it.
        :keyword str client_protocol: ``Default``, ``MQTT`` or ``SocketIO`` (since 2024-01-01).
        :keyword ~collections.abc.Mapping jwt_headers: More headers for the token; only with an access key.
        :raises TypeError: if a keyword is not known, or a role or group is not text.
        :raises ValueError: if there is no hub, no such protocol, or the lifetime is below a minute.
        """
        call = Call(self._config, self.get_client_access_token, options)
        protocol = protocol_of(client_protocol)
        claims: dict[str, Any] = {"user_id": user_id, "roles": roles, "groups": groups}
        signed = call.sign(protocol, minutes_to_expire, jwt_headers, **claims)
        if signed is not None:
            return signed
        asked = {"minutes_to_expire": minutes_to_expire, "client_type": protocol, **claims, **call.request}
        request = rest.build_generate_client_token_request(call.hub, **asked)
        return client_url(self._config.endpoint, call.hub, protocol, self._run(call, request, token, 200))

    def generate_client_token(
        self,
        *,
        user_id: str | None = None,
        roles: list[str] | None = None,
        groups: list[str] | None = None,
        minutes_to_expire: int | None = None,
        client_type: str | None = None,
        role: list[str] | None = None,
        group: list[str] | None = None,
        **options: Unpack[types.CallOptions],
    ) -> types.GeneratedToken:
        """Let the service mint a client access token: ``{"token": ...}``.

        It does this for Entra ID callers only; :meth:`get_client_access_token` serves both kinds of credential.

        Example::

            from azure.core.exceptions import ClientAuthenticationError

            try:
                token = client.generate_client_token(user_id="ada", minutes_to_expire=5)
            except ClientAuthenticationError:
                print("the client has an access key: use get_client_access_token")

        :keyword str user_id: The user that the client will be (claim ``sub``).
        :keyword list[str] roles: Roles of the client.
        :keyword list[str] groups: Groups that the client is in from the start (since 2022-11-01).
        :keyword int minutes_to_expire: Lifetime in minutes, at least 1; the service's default is 60.
        :keyword str client_type: ``Default``, ``MQTT`` or ``SocketIO`` (since 2024-01-01).
        :keyword list[str] role: ``roles``, by the service's name.
        :keyword list[str] group: ``groups``, by the service's name.
        :raises ValueError: if there is no hub, or one thing is given by both of its names.
        :raises ~azure.core.exceptions.ClientAuthenticationError: if the credential is an access key.
        """
        call = Call(self._config, self.generate_client_token, options)
        claims = {"roles": either("roles", roles, "role", role), "groups": either("groups", groups, "group", group)}
        asked: dict[str, Any] = {"user_id": user_id, **claims, "minutes_to_expire": minutes_to_expire}
        request = rest.build_generate_client_token_request(call.hub, client_type=client_type, **asked, **call.request)
        return self._run(call, request, generated, 200)

    def send_request(
        self,
        request: types.HttpRequest | None = None,
        *,
        stream: bool = False,
        http_request: types.HttpRequest | None = None,
        **options: Unpack[types.SendRequestOptions],
    ) -> types.HttpResponse:
        """Send a request through the client's pipeline and return the answer, whatever its status.

        Example::

            from azure.messaging.webpubsubservice.rest import build_send_to_all_request

            request = build_send_to_all_request("chat", json={"hello": "world"})
            response = client.send_request(request)
            response.raise_for_status()

        A relative URL is joined to the endpoint. An absolute URL of another origin is sent without credentials. The
        request is copied, and may be sent again.

        :param ~azure.core.rest.HttpRequest request: A request, such as a ``build_..._request`` function returns.
        :keyword bool stream: Leave the answer's body to be read by the caller, who has to close it.
        :keyword ~azure.core.rest.HttpRequest http_request: The request, for code written for 1.0.0b1.
        :raises ~azure.core.exceptions.ServiceRequestError: if nothing could be sent.
        :raises ~azure.core.exceptions.ServiceResponseError: if no answer came.
        :rtype: ~azure.core.rest.HttpResponse
        """
        if (request is None) == (http_request is None):
            raise TypeError("send_request() takes one request: send_request(request)")
        left = {**pipeline_options(self._config, options, self.send_request), "stream": stream}
        wants_span(left)
        response: types.HttpResponse = self._send(request or http_request, left, own=False).http_response
        return response

    def close(self) -> None:
        """Close the connections. Closing twice is fine; a closed client still mints tokens, but sends nothing.

        Example::

            client.close()
        """
        self._is_closed = True
        if self._transport is not None:
            self._transport.__exit__(None, None, None)  # not all of azure-core's have a close() to await

    def __enter__(self) -> types.Self:
        self._check_open()
        return self

    def __exit__(self, *exc_details: object) -> None:
        self.close()

    def _send(self, request: Any, options: dict[str, Any], *, own: bool) -> Any:
        """Send a request through the pipeline, for a PipelineResponse: the one place where all calls meet it."""
        pipeline, left = self._open(), dict(options)
        return pipeline.run(outgoing(request, self._config, left, own=own), **left)

    def _run(self, call: Call, request: types.HttpRequest, read: Callable[[Any], T], *statuses: int) -> T:
        """Make the request of an operation and read its answer, in a span of azure-core's where tracing is on."""

        def answer(_client: object, **_: object) -> T:
            return result_of(self._send(request, call.options, own=True), call, statuses, read)

        return call.traced(self, answer)()
