"""Names in paths: what the service allows, how they are written, and that the service reads the same name back."""

from urllib.parse import unquote

import pytest
from azure.core.credentials import AzureKeyCredential
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msrest.exceptions import ValidationError

from azure.messaging.webpubsubservice import WebPubSubServiceClient, rest

HUB_CHARACTERS = "ABCXYZabcxyz0189_`,.[]"


def path(request):
    return request.url.partition("?")[0]


@pytest.mark.parametrize(
    ("hub", "segment"),
    [
        ("chat", "chat"),
        ("Chat_2.x", "Chat_2.x"),
        ("a" * 128, "a" * 128),
        ("a`,[]", "a%60%2C%5B%5D"),
    ],
)
def test_hub_that_the_service_allows_is_encoded(hub, segment):
    assert path(rest.build_send_to_all_request(hub, json=1)) == f"/api/hubs/{segment}/:send"


@pytest.mark.parametrize("hub", ["", "1a", "_a", "a" * 129, "a b", "a-b", "a/b", "chat\n", "ä", None])
def test_hub_that_the_service_does_not_allow_is_refused(hub):
    with pytest.raises(ValidationError, match="hub"):
        rest.build_send_to_all_request(hub, json=1)


@pytest.mark.parametrize("group", ["", "   ", "\t", "a" * 1025, "a\nb", "a\n", None])
def test_group_that_the_service_does_not_allow_is_refused(group):
    with pytest.raises(ValidationError, match="group"):
        rest.build_group_exists_request("hub", group)


def test_group_may_have_1024_characters_of_any_kind():
    assert path(rest.build_group_exists_request("hub", "ä" * 1024)) == "/api/hubs/hub/groups/" + "%C3%A4" * 1024


@pytest.mark.parametrize(
    ("build", "parameter"),
    [
        (lambda name: rest.build_connection_exists_request("hub", name), "connection_id"),
        (lambda name: rest.build_user_exists_request("hub", name), "user_id"),
        (lambda name: rest.build_grant_permission_request("hub", name, "c"), "permission"),
    ],
)
@pytest.mark.parametrize("name", ["", None])
def test_empty_id_is_refused(build, parameter, name):
    with pytest.raises(ValidationError, match=parameter):
        build(name)


@pytest.mark.parametrize("name", [b"ada", ["ada"], 3.5, True])
def test_name_that_is_no_text_is_refused(name):
    with pytest.raises(TypeError, match="user_id must be a str"):
        rest.build_user_exists_request("hub", name)


def test_one_letter_of_any_kind_is_a_name():
    for letter in "a-é😀 ":
        for build in (rest.build_user_exists_request, rest.build_connection_exists_request):
            assert unquote(path(build("hub", letter)).rpartition("/")[2]) == letter


def test_number_is_taken_as_its_digits():
    assert path(rest.build_user_exists_request("hub", 42)) == "/api/hubs/hub/users/42"


@pytest.mark.parametrize("name", ["a/b", "/", ".", ".."])
@pytest.mark.parametrize(
    ("build", "parameter"),
    [
        (lambda name: rest.build_group_exists_request("hub", name), "group"),
        (lambda name: rest.build_connection_exists_request("hub", name), "connection_id"),
        (lambda name: rest.build_user_exists_request("hub", name), "user_id"),
    ],
)
def test_name_that_no_path_can_carry_is_refused_with_the_alternative(build, parameter, name):
    with pytest.raises(ValueError, match=rf"{parameter} .* cannot be addressed.*filter=odata\("):
        build(name)


def test_permission_that_no_path_can_carry_is_refused():
    with pytest.raises(ValueError, match="permission 'a/b' cannot be addressed"):
        rest.build_grant_permission_request("hub", "a/b", "c")


@given(st.text(alphabet=HUB_CHARACTERS, min_size=1, max_size=140))
def test_hub_is_allowed_exactly_as_the_service_says(hub):
    allowed = hub[0].isalpha() and len(hub) <= 128
    try:
        request = rest.build_send_to_all_request(hub, json=1)
    except ValidationError:
        assert not allowed
    else:
        assert allowed
        assert unquote(path(request).split("/")[3]) == hub


@given(st.text(max_size=40))
def test_any_text_is_one_segment_or_a_clear_error(name):
    try:
        request = rest.build_user_exists_request("hub", name)
    except ValidationError:
        assert name == ""
        return
    except ValueError as error:
        message = str(error)
    else:
        *_, segment = path(request).split("/")
        assert len(path(request).split("/")) == 6
        assert unquote(segment) == name
        assert segment.isascii()
        assert not set(segment) & set("?#/ \r\n")
        return
    assert "/" in name or name in {".", ".."} or any("\ud800" <= c <= "\udfff" for c in name)
    assert "user_id" in message


def test_lone_surrogate_is_a_clear_error():
    with pytest.raises(ValueError, match=r"user_id .* is not text that UTF-8 can carry"):
        rest.build_user_exists_request("hub", "a\ud800")


@pytest.fixture(scope="module")
def sending(service):
    with WebPubSubServiceClient(service.endpoint, AzureKeyCredential(service.access_key), hub="names") as client:
        yield client


AWKWARD = "%/\\?#&=+;:@!$'()*,[] \t~^`|<>{}\"äß\u200b\u2028\U0001f600%2F%2f%41.-_aZ0"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(alphabet=AWKWARD, min_size=1, max_size=12) | st.text(min_size=1, max_size=12))
def test_service_reads_the_same_user_id_and_group_back(service, sending, name):
    service.record.clear()
    sent = []
    for target, send in (("user_id", sending.send_to_user), ("group", sending.send_to_group)):
        try:
            send(name, b"x")
        except ValueError:
            continue
        except ValidationError:
            assert target == "group"
            continue
        sent.append((target, name))
    assert [
        ("user_id", entry.user_id) if entry.user_id is not None else ("group", entry.group)
        for entry in service.record.sends
    ] == sent


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hub=st.text(alphabet=HUB_CHARACTERS, min_size=1, max_size=128).filter(lambda hub: hub[0].isalpha()))
def test_service_takes_a_request_for_any_hub(service, sending, hub):
    service.record.clear()
    sending.send_to_all("x", hub=hub)
    assert [entry.hub for entry in service.record.sends] == [hub.lower()]
