"""Builders of requests, for ``WebPubSubServiceClient.send_request`` and for any other HTTP client.

Each operation of the service has one ``build_..._request`` function. It returns an ``azure.core.rest.HttpRequest``
with a relative URL and does no I/O. All take the options of ``RequestOptions``: ``api_version``, ``params``,
``headers`` and ``template_url``; an unknown keyword is a ``TypeError``. A name that the service does not allow is a
``msrest.exceptions.ValidationError``, one that no path can carry a ``ValueError``.

Example::

    from azure.messaging.webpubsubservice.rest import build_send_to_all_request

    request = build_send_to_all_request("chat", json={"hello": "world"})
    assert repr(request) == "<HttpRequest [POST], url: '/api/hubs/chat/:send?api-version=2024-12-01'>"

Names are the same everywhere: ``hub`` is a letter, then at most 127 letters, digits or any of ``_`,.[]``; ``group`` has
1 to 1024 characters; ``user_id`` is the application's own and ``connection_id`` the service's, and case counts in all
three; ``permission`` is ``sendToGroup`` or ``joinLeaveGroup``.
"""

# A name that is imported as itself is this module's too, for checkers as well.
from ._connections import build_close_client_connection_request as build_close_client_connection_request
from ._connections import build_connection_exists_request as build_connection_exists_request
from ._connections import (
    build_remove_connection_from_all_groups_request as build_remove_connection_from_all_groups_request,
)
from ._connections import build_send_to_connection_request as build_send_to_connection_request
from ._groups import build_add_connection_to_group_request as build_add_connection_to_group_request
from ._groups import build_close_group_connections_request as build_close_group_connections_request
from ._groups import build_group_exists_request as build_group_exists_request
from ._groups import build_list_connections_in_group_request as build_list_connections_in_group_request
from ._groups import build_remove_connection_from_group_request as build_remove_connection_from_group_request
from ._groups import build_send_to_group_request as build_send_to_group_request
from ._hubs import build_add_connections_to_groups_request as build_add_connections_to_groups_request
from ._hubs import build_close_all_connections_request as build_close_all_connections_request
from ._hubs import build_generate_client_token_request as build_generate_client_token_request
from ._hubs import build_healthapi_get_health_status_request as build_healthapi_get_health_status_request
from ._hubs import build_remove_connections_from_groups_request as build_remove_connections_from_groups_request
from ._hubs import build_send_to_all_request as build_send_to_all_request
from ._permissions import build_check_permission_request as build_check_permission_request
from ._permissions import build_grant_permission_request as build_grant_permission_request
from ._permissions import build_revoke_permission_request as build_revoke_permission_request
from ._users import build_add_user_to_group_request as build_add_user_to_group_request
from ._users import build_close_user_connections_request as build_close_user_connections_request
from ._users import build_remove_user_from_all_groups_request as build_remove_user_from_all_groups_request
from ._users import build_remove_user_from_group_request as build_remove_user_from_group_request
from ._users import build_send_to_user_request as build_send_to_user_request
from ._users import build_user_exists_request as build_user_exists_request
