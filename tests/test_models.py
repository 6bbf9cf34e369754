"""What the service's answers and its tokens become."""

import copy
import pickle

import pytest

from azure.messaging.webpubsubservice import GroupMember


def test_members_compare_by_what_they_hold():
    assert GroupMember(connection_id="c", user_id="u") == GroupMember(connection_id="c", user_id="u")
    assert GroupMember(connection_id="c", user_id="u") != GroupMember(connection_id="c")
    assert GroupMember(connection_id="c") != GroupMember(connection_id="d")
    assert GroupMember(connection_id="c") != "c"
    assert len({GroupMember(connection_id="c"), GroupMember(connection_id="c", user_id=None)}) == 1


def test_user_is_none_unless_given():
    assert GroupMember(connection_id="c").user_id is None


def test_repr_shows_how_to_make_it():
    member = GroupMember(connection_id="c'1", user_id=None)
    assert repr(member) == 'GroupMember(connection_id="c\'1", user_id=None)'
    assert eval(repr(member)) == member


def test_member_does_not_change():
    member = GroupMember(connection_id="c")
    with pytest.raises(AttributeError, match="user_id"):
        member.user_id = "u"
    with pytest.raises(AttributeError, match="user_id"):
        del member.user_id
    with pytest.raises(AttributeError):
        member.other = 1
    assert member == GroupMember(connection_id="c")


def test_member_is_made_by_keyword():
    with pytest.raises(TypeError):
        GroupMember("c")
    with pytest.raises(TypeError):
        GroupMember()


@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_member_can_be_copied_and_pickled(clone):
    member = GroupMember(connection_id="c", user_id="u")
    assert clone(member) == member


def test_member_can_be_matched():
    match GroupMember(connection_id="c", user_id="u"):
        case GroupMember(connection_id=connection_id, user_id="u"):
            assert connection_id == "c"
        case _:
            pytest.fail("no match")


def test_token_can_be_the_response_model_of_a_web_framework():
    pydantic = pytest.importorskip("pydantic")
    from azure.messaging.webpubsubservice import ClientAccessToken, GeneratedToken

    value = {"baseUrl": "ws://h", "token": "t", "url": "ws://h?access_token=t"}
    assert pydantic.TypeAdapter(ClientAccessToken).validate_python(value) == value
    assert pydantic.TypeAdapter(GeneratedToken).validate_python({"token": "t"}) == {"token": "t"}
