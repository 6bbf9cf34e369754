"""Endpoints, connection strings and what lies below an endpoint."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azure.messaging.webpubsubservice import _endpoint as endpoint_module
from azure.messaging.webpubsubservice._endpoint import Endpoint, parse_connection_string

KEY = "c2VjcmV0LWtleS1vZi10aGUtdGVzdA=="


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("https://name.webpubsub.azure.com", "https://name.webpubsub.azure.com"),
        ("https://name.webpubsub.azure.com///", "https://name.webpubsub.azure.com"),
        (" HTTPS://Name.WebPubSub.azure.com/ ", "https://name.webpubsub.azure.com"),
        ("http://localhost:8080/", "http://localhost:8080"),
        ("http://localhost:40123/", "http://localhost:40123"),
        ("http://localhost:65535", "http://localhost:65535"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("https://host/Tenant-A/x/", "https://host/Tenant-A/x"),
        ("https://host:/", "https://host"),
    ],
)
def test_endpoint_is_normalised_but_for_the_case_of_its_path(text, base):
    assert Endpoint(text).base == base


@pytest.mark.parametrize(
    ("text", "port", "base"),
    [
        ("https://host", 8080, "https://host:8080"),
        ("https://host", "8080", "https://host:8080"),
        ("https://host:1/", 8080, "https://host:8080"),
        ("https://host/path/", 8080, "https://host:8080/path"),
        ("http://[::1]:1", 2, "http://[::1]:2"),
    ],
)
def test_port_takes_the_place_of_the_endpoints(text, port, base):
    assert Endpoint(text, port=port).base == base


@pytest.mark.parametrize("port", [0, -1, 65536, "x", "", 1.5, True])
def test_port_that_is_none_is_refused(port):
    with pytest.raises(ValueError, match="port must be a number from 1 to 65535"):
        Endpoint("https://host", port=port)


@pytest.mark.parametrize(
    "text",
    [
        "name.webpubsub.azure.com",
        "",
        "   ",
        "ftp://host",
        "wss://host",
        "//host",
        "https://",
        "https:///x",
        "host:8080",
    ],
)
def test_endpoint_without_scheme_or_host_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match=r"endpoint must start with 'https://' or 'http://'.*such as 'https://name"):
        Endpoint(text)


@pytest.mark.parametrize(
    "text", ["https://host?x=1", "https://host#x", "https://ho st", "https://host/a b", "https://h\x00"]
)
def test_endpoint_with_more_than_a_path_is_refused(text):
    with pytest.raises(ValueError, match="endpoint must hold nothing after its path"):
        Endpoint(text)


@pytest.mark.parametrize("text", ["https://host:99999", "https://host:x", "https://[::1", "https://[bad]"])
def test_endpoint_that_is_no_url_is_refused(text):
    with pytest.raises(ValueError, match="endpoint is not a URL"):
        Endpoint(text)


def test_endpoint_with_credentials_is_refused_without_showing_them():
    with pytest.raises(ValueError, match="endpoint must not hold a user name or password") as caught:
        Endpoint("https://user:secret@host")
    assert "secret" not in str(caught.value)


def test_endpoint_that_is_no_text_is_refused():
    with pytest.raises(ValueError, match="endpoint must not be None"):
        Endpoint(None)
    with pytest.raises(TypeError, match=r"endpoint must be a URL such as 'https://.*', not bytes"):
        Endpoint(b"https://host")


def test_connection_string_in_the_place_of_an_endpoint_is_named_but_not_shown():
    with pytest.raises(ValueError, match="for a connection string use from_connection_string") as caught:
        Endpoint(f"Endpoint=https://host;AccessKey={KEY}")
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "joined"),
    [
        ("/api/health?x=1", "https://host/pre/api/health?x=1"),
        ("api/health", "https://host/pre/api/health"),
        ("//evil.example/x", "https://host/pre//evil.example/x"),
        ("https://other/x", "https://other/x"),
        ("HTTP://other/x", "HTTP://other/x"),
        ("/a?u=https://other/", "https://host/pre/a?u=https://other/"),
        ("a?u=https://other/", "https://host/pre/a?u=https://other/"),
    ],
)
def test_relative_url_is_joined_and_an_absolute_one_kept(url, joined):
    assert Endpoint("https://host/pre/").join(url) == joined


@pytest.mark.parametrize(
    ("url", "rest"),
    [
        ("https://host/pre/api?x=1", "/api?x=1"),
        ("https://host/pre", ""),
        ("https://host/pre?x=1", "?x=1"),
        ("https://host:443/pre/api", "/api"),
        ("https://HOST/pre/api?X=Y", "/api?X=Y"),
        ("http://host/pre/api", None),
        ("https://host:444/pre/api", None),
        ("https://host/prefix/api", None),
        ("https://host/Pre/api", None),
        ("https://host/api", None),
        ("https://host.evil.example/pre/api", None),
        ("https://host@evil.example/pre/api", None),
        ("https://evil.example/https://host/pre/api", None),
        ("https://evil.example/?u=https://host/pre/", None),
        ("https://host\\@evil.example/pre/", None),
        ("https://[host]/pre/api", None),
        ("not a url", None),
    ],
)
def test_only_what_lies_below_the_endpoint_is_covered(url, rest):
    endpoint = Endpoint("https://host/pre")
    assert endpoint.below(url) == rest


def test_port_that_a_scheme_has_by_itself_need_not_be_written():
    assert Endpoint("http://host").below("http://host:80/x") == "/x"
    assert Endpoint("http://host:80").below("http://host/x") == "/x"
    assert Endpoint("https://host:443").below("https://host/x") == "/x"
    assert Endpoint("http://host").below("http://host:443/x") is None


@pytest.mark.parametrize(
    "url", ["https://host@evil.example/", "https://host\\.evil.example/x", "https://host:1@e/", "https://host;x/"]
)
def test_host_that_begins_like_the_endpoint_is_not_covered(url):
    assert Endpoint("https://host").below(url) is None


@pytest.mark.parametrize(
    "text",
    [
        f"Endpoint=https://host;AccessKey={KEY};Version=1.0;",
        f"AccessKey={KEY};Endpoint=https://host",
        f"endpoint=https://host;ACCESSKEY={KEY};version=1.0",
        f"  Endpoint = https://host ; AccessKey = {KEY} ; ; Version=1.0;;",
        f"Endpoint=https://host;AccessKey={KEY};Hub=x;User=y;Unknown=a=b;Empty=",
        f"\nEndpoint=https://host;\nAccessKey={KEY};\n",
    ],
)
def test_connection_string_is_read_in_any_order_and_case(text):
    parsed = parse_connection_string(text)
    assert (parsed.endpoint, parsed.access_key, parsed.port) == ("https://host", KEY, None)


def test_port_of_a_connection_string_is_read():
    assert parse_connection_string(f"Endpoint=http://localhost;Port=8080;AccessKey={KEY}").port == "8080"
    assert parse_connection_string(f"Endpoint=http://localhost;Port=;AccessKey={KEY}").port is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no Endpoint"),
        (f"AccessKey={KEY}", "has no Endpoint"),
        (f"Endpoint= ;AccessKey={KEY}", "has no Endpoint"),
        ("Endpoint=https://host", "has no AccessKey"),
        ("Endpoint=https://host;AccessKey=", "has no AccessKey"),
        (f"Endpoint=https://host;{KEY.rstrip('=')}", "field 2 is not of the form Name=value"),
        (f"Endpoint=https://host;={KEY}", "field 2 is not of the form Name=value"),
        (f"Endpoint=https://host;AccessKey={KEY};accesskey={KEY}", "field 3 repeats a name"),
    ],
)
def test_broken_connection_string_is_refused_without_showing_it(text, message):
    with pytest.raises(ValueError, match="connection_string") as caught:
        parse_connection_string(text)
    assert message in str(caught.value)
    assert KEY.rstrip("=") not in str(caught.value)


def test_connection_string_that_is_no_text_is_refused():
    with pytest.raises(TypeError, match="connection_string must be a str, not NoneType"):
        parse_connection_string(None)


@given(
    st.from_regex(r"(https?|HTTP)://[a-z0-9A.:-]{0,12}(:[0-9]{0,6})?/{0,2}", fullmatch=True)
    | st.from_regex(r"https://[a-z0-9.\[\]:_~%@?#\s-]{1,12}", fullmatch=True)
)
def test_endpoint_read_by_the_expression_is_what_the_parser_of_urls_reads(text):
    plain = endpoint_module._PLAIN.fullmatch(text)
    if plain:
        assert endpoint_module._take_apart(text, "endpoint") == (
            plain[1],
            plain[2],
            int(plain[3]) if plain[3] else None,
            plain[4],
        )


def test_repr_of_a_connection_string_shows_no_key():
    assert repr(parse_connection_string(f"Endpoint=https://host;AccessKey={KEY}")) == (
        "<ConnectionString endpoint:'https://host'>"
    )


names = st.sampled_from(["Endpoint", "endpoint", "ENDPOINT", " Endpoint "]), st.sampled_from(["AccessKey", "accesskey"])
values = st.text(
    alphabet=st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_characters=";\x7f\x85\xa0\xad"), min_size=1
)


@given(names[0], names[1], values, st.permutations(range(4)), st.sampled_from(["", " ", "\t"]))
def test_any_key_is_read_back_whole(endpoint, access_key, key, order, space):
    fields = [f"{endpoint}=https://host", f"{space}{access_key}={key}{space}", "Version=1.0", ""]
    parsed = parse_connection_string(";".join(fields[place] for place in order))
    assert (parsed.endpoint, parsed.access_key, parsed.port) == ("https://host", key.strip(), None)


@given(st.text(max_size=60))
def test_any_other_text_is_a_value_error_that_does_not_show_it(text):
    try:
        parsed = parse_connection_string(text)
    except ValueError as error:
        message = str(error)
    else:
        assert parsed.endpoint
        assert parsed.access_key
        return
    assert len(text) < 8 or text not in message


@given(
    st.text(max_size=40)
    | st.text(max_size=30).map("https://host".__add__)
    | st.text(max_size=30).map("https://".__add__)
)
def test_any_text_is_a_value_error_or_an_endpoint_that_reads_back(text):
    try:
        endpoint = Endpoint(text)
    except ValueError:
        return
    assert Endpoint(endpoint.base).base == endpoint.base
    parts = urlsplit(endpoint.base)
    assert parts.scheme in {"http", "https"}
    assert parts.hostname == endpoint.host
    assert not parts.query
    assert not parts.fragment
    assert not endpoint.base.endswith("/")
    assert endpoint.base.isprintable()
    assert " " not in endpoint.base
    assert endpoint.below(endpoint.join("/api/x?y=1")) == "/api/x?y=1"


@pytest.mark.parametrize(
    "url", ["https://host ?", "https://ho\tst/", "https://host\n/api", " https://host/", "https://host\x00/"]
)
def test_url_with_a_blank_or_control_character_is_nobodys(url):
    assert Endpoint("https://host").below(url) is None
