import pytest
from event_requests import KEY, preflight, user_event

from azure.messaging.webpubsubservice.eventhandler import WebPubSubEventHandler

HOST = "example.webpubsub.azure.com"


def allowed(handler, *origins, method="OPTIONS"):
    response = handler.handle(*preflight(*origins, method=method))
    assert response.body == b"" or response.status >= 400
    return response.status, response.headers.get("WebHook-Allowed-Origin")


@pytest.mark.parametrize("method", ["OPTIONS", "GET", "options"])
def test_abuse_protection_allows_a_named_host(method):
    assert allowed(WebPubSubEventHandler(allowed_endpoints=[HOST], access_key=KEY), HOST, method=method) == (200, HOST)


def test_abuse_protection_allows_nobody_by_default():
    assert allowed(WebPubSubEventHandler("chat", access_key=KEY), HOST) == (403, None)


def test_abuse_protection_refuses_another_host():
    handler = WebPubSubEventHandler(allowed_endpoints=[HOST], access_key=KEY)
    assert allowed(handler, "evil.webpubsub.azure.com") == (403, None)
    assert allowed(handler, "evil" + HOST) == (403, None)
    assert allowed(handler, HOST + ".evil.com") == (403, None)


def test_abuse_protection_with_a_star_allows_everyone():
    assert allowed(WebPubSubEventHandler(allowed_endpoints="*", access_key=KEY), HOST) == (200, "*")


def test_abuse_protection_allows_the_endpoint_of_the_connection_string():
    handler = WebPubSubEventHandler(connection_string=f"Endpoint=https://{HOST};AccessKey={KEY};Version=1.0;")
    assert allowed(handler, HOST) == (200, HOST)
    assert allowed(handler, "other.webpubsub.azure.com") == (403, None)


def test_abuse_protection_allows_the_endpoints_of_several_connection_strings():
    strings = [f"endpoint=http://localhost:8080;accesskey={KEY}", f"Endpoint=https://{HOST}/;AccessKey={KEY}"]
    handler = WebPubSubEventHandler(connection_string=strings, allowed_endpoints="third.example")
    assert allowed(handler, "localhost") == (200, "localhost")
    assert allowed(handler, HOST) == (200, HOST)
    assert allowed(handler, "third.example") == (200, "third.example")


@pytest.mark.parametrize(
    "endpoint", [f"https://{HOST}", f"https://{HOST}:443/path?x=http://y", HOST.upper(), f"{HOST}:8080"]
)
@pytest.mark.parametrize("origin", [HOST, HOST.upper(), f"{HOST}:8080", f"https://{HOST}"])
def test_abuse_protection_compares_host_names_alone(endpoint, origin):
    assert allowed(WebPubSubEventHandler(allowed_endpoints=[endpoint], access_key=KEY), origin) == (200, origin)


def test_abuse_protection_takes_ip_addresses():
    handler = WebPubSubEventHandler(allowed_endpoints=["http://127.0.0.1:8080", "http://[::1]:8080"], access_key=KEY)
    assert allowed(handler, "127.0.0.1") == (200, "127.0.0.1")
    assert allowed(handler, "[::1]:99") == (200, "[::1]:99")


def test_abuse_protection_returns_of_several_origins_the_allowed_ones():
    handler = WebPubSubEventHandler(allowed_endpoints=["a.example", "b.example"], access_key=KEY)
    assert allowed(handler, "c.example, b.example", "a.example") == (200, "b.example, a.example")
    assert allowed(handler, "c.example", "d.example") == (403, None)


@pytest.mark.parametrize(
    "headers",
    [
        {"webhook-request-origin": HOST},
        {"WEBHOOK-REQUEST-ORIGIN": HOST},
        [(b"webhook-request-origin", HOST.encode())],
        {b"WebHook-Request-Origin": HOST.encode()},
        {"WebHook-Request-Origin": ["x.example", HOST]},
    ],
)
def test_abuse_protection_takes_any_form_of_headers(headers):
    response = WebPubSubEventHandler(allowed_endpoints=HOST, access_key=KEY).handle("OPTIONS", headers)
    assert (response.status, response.headers) == (200, {"WebHook-Allowed-Origin": HOST})


def test_abuse_protection_without_an_origin_is_400_with_a_reason():
    response = WebPubSubEventHandler(allowed_endpoints="*", access_key=KEY).handle("OPTIONS", {})
    assert (response.status, response.body) == (400, b"the header webhook-request-origin is missing")


@pytest.mark.parametrize(
    "origin", [f"{HOST}/\r\nSet-Cookie: a=b", f"x@{HOST}", f"{HOST}/path", f"evil.com/http://{HOST}"]
)
def test_abuse_protection_never_echoes_more_than_a_host(origin):
    assert allowed(WebPubSubEventHandler(allowed_endpoints=HOST, access_key=KEY), origin) == (403, None)


def test_other_methods_are_405():
    response = WebPubSubEventHandler(allowed_endpoints="*", access_key=KEY).handle("PUT", {})
    assert (response.status, response.headers["Allow"]) == (405, "OPTIONS, GET, POST")


@pytest.mark.parametrize(
    "origin",
    [
        "\u212aelvin.example",
        "\u017fervice.example",
        "kelv\u0131n.example",
        "kelv\u0130n.example",
        "\u212aelvin.example:443",
        "\uff4belvin.example",
    ],
)
@pytest.mark.parametrize("options", [{"allowed_endpoints": ["kelvin.example", "service.example"]}])
def test_abuse_protection_reads_an_origin_in_ascii(origin, options):
    handler = WebPubSubEventHandler(access_key=KEY, **options)
    for headers in ([("WebHook-Request-Origin", origin)], [(b"webhook-request-origin", origin.encode())]):
        assert handler.handle("OPTIONS", headers).status == 403


def test_header_name_that_is_not_ascii_is_none_of_the_services():
    handler = WebPubSubEventHandler(access_key=KEY, allowed_endpoints="a.example")
    for name in ("WebHoo\u212a-Request-Origin", "WebHoo\u212a-Request-Origin".encode()):
        assert handler.handle("OPTIONS", [(name, "a.example")]).status == 400


def test_hub_is_compared_in_ascii():
    handler = WebPubSubEventHandler("kelvin", access_key=KEY)
    assert handler.handle(*user_event(ce_hub="KELVIN")).status == 200
    assert handler.handle(*user_event(ce_hub="\u212aelvin")).status == 400


def test_allowed_endpoint_that_is_not_ascii_is_refused():
    with pytest.raises(ValueError, match="has no host name"):
        WebPubSubEventHandler(access_key=KEY, allowed_endpoints="\u212aelvin.example")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"access_key": None},
        {"access_key": []},
        {"access_key": ()},
        {"access_key": ""},
        {"access_key": iter(())},
        {"connection_string": None},
        {"connection_string": []},
        {"connection_string": ""},
        {"allowed_endpoints": "a.example"},
        {"allowed_endpoints": "*"},
        {"access_key": [], "connection_string": f"Endpoint=https://a.example;AccessKey={KEY};"},
        {"connection_string": "Endpoint=https://a.example;AccessKey=;"},
        {"connection_string": "Endpoint=https://a.example"},
        {"connection_string": f"Endpoint=https://a.example;AccesKey={KEY};"},
        {"connection_string": [f"Endpoint=https://a.example;AccessKey={KEY};", "Endpoint=https://b.example;"]},
    ],
)
def test_handler_without_a_key_is_an_error_that_names_the_remedy(options):
    with pytest.raises(ValueError, match=r"access_key=|AccessKey|verify_signatures=False|connection_string") as caught:
        WebPubSubEventHandler("chat", **options)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("key", ["secret\ud800", "\udcff" + KEY])
def test_key_that_utf_8_cannot_carry_is_refused_and_not_shown(key):
    for options in ({"access_key": key}, {"connection_string": f"Endpoint=https://a.example;AccessKey={key}"}):
        with pytest.raises(ValueError, match="UTF-8 cannot carry") as caught:
            WebPubSubEventHandler(**options)
        assert "secret" not in str(caught.value)
        assert KEY not in str(caught.value)
        # Nor in the error it comes from, which UnicodeEncodeError.object would be.
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"allowed_endpoints": ["https://"]}, "no host name"),
        ({"allowed_endpoints": [""]}, "no host name"),
        ({"access_key": ""}, "access_key must not be empty"),
        ({"access_key": [KEY, " "]}, "access_key must not be empty"),
        ({"connection_string": f"AccessKey={KEY}"}, "connection_string has no Endpoint"),
        ({"hub": ""}, "hub must not be empty"),
    ],
)
def test_handler_options_that_protect_nothing_are_refused(options, message):
    with pytest.raises(ValueError, match=message) as caught:
        WebPubSubEventHandler(**options)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"access_key": [1]},
        {"access_key": [b"x"]},
        {"access_key": b"x"},
        {"access_key": 1},
        {"allowed_endpoints": [1]},
        {"connection_string": [1]},
        {"hub": 1, "access_key": KEY},
        {"verify_signatures": None},
        {"verify_signatures": 0},
        {"verify_signatures": ""},
        {"verify_signatures": "False"},
    ],
)
def test_handler_options_of_another_type_are_refused(options):
    with pytest.raises(TypeError):
        WebPubSubEventHandler(**options)


def test_handler_repr_shows_the_hub_and_no_key():
    handler = WebPubSubEventHandler("chat", access_key=KEY)
    assert repr(handler) == "<WebPubSubEventHandler hub:'chat'>"
