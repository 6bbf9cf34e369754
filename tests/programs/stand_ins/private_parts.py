"""A pytest plugin: what of 1.3.0's private parts its tests reach into, made of what this library has."""

import sys
import types

from azure.core.credentials import AzureKeyCredential

from azure.messaging.webpubsubservice import _configuration, rest


class EndpointText(str):
    """An endpoint that is also the text that it was in 1.3.0."""

    def __new__(cls, endpoint):
        made = super().__new__(cls, endpoint.base)
        made.whole = endpoint
        made.join = endpoint.join  # not that of str
        return made

    def __getattr__(self, name):
        return getattr(self.whole, name)


def _show(make):
    def init(self, *args, **kwargs):
        make(self, *args, **kwargs)
        self.endpoint = EndpointText(self.endpoint)
        if isinstance(self.credential, _configuration.AccessKey):
            self.credential = AzureKeyCredential(self.credential.key)

    return init


_configuration.Configuration.__init__ = _show(_configuration.Configuration.__init__)

_operations = types.ModuleType("azure.messaging.webpubsubservice._operations._operations")
_operations.build_web_pub_sub_service_send_to_all_request = rest.build_send_to_all_request
sys.modules["azure.messaging.webpubsubservice._operations"] = types.ModuleType("_operations")
sys.modules[_operations.__name__] = _operations
