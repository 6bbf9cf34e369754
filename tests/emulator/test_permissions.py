"""Roles and grants (service facts, Roles and permissions)."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azure.messaging.webpubsubservice.emulator.hub._permissions import Permissions, TooManyRules, missing_role

JOIN, SEND = "joinLeaveGroup", "sendToGroup"


def test_no_role_allows_nothing():
    nothing = Permissions.from_roles([])
    assert not nothing.allows(JOIN, "a")
    assert not nothing.allows(SEND, "a")
    assert not nothing.has(JOIN)


@pytest.mark.parametrize("permission", [JOIN, SEND])
def test_global_role_allows_every_group_of_its_permission_only(permission):
    (other,) = {JOIN, SEND} - {permission}
    some = Permissions.from_roles([f"webpubsub.{permission}"])
    assert some.allows(permission, "a.b")
    assert some.has(permission)
    assert not some.allows(other, "a.b")
    assert not some.has(other)


def test_literal_role_takes_everything_after_the_second_dot_as_the_name():
    some = Permissions.from_roles(["webpubsub.sendToGroup.a.b.*", "webpubsub.sendToGroup.C"])
    assert some.allows(SEND, "a.b.*")
    assert not some.allows(SEND, "a.b.c")
    assert not some.allows(SEND, "a")
    assert some.allows(SEND, "C")
    assert not some.allows(SEND, "c")
    assert not some.has(SEND)
    assert some.has(SEND, "C")


@pytest.mark.parametrize(
    "role",
    [
        "webpubsub.sendToGroup.",
        "webpubsub.sendToGroups",
        "webpubsub.sendToGroups.",
        "webpubsub.sendToGroups.  ",
        "webpubsub.sendtogroup",
        "webpubsub.sendToGroupX.a",
        "sendToGroup",
        "webpubsub",
        "",
        "webpubsub.sendToGroups." + "a" * 1025,
        "webpubsub.sendToGroup." + "a" * 1025,
        "webpubsub.sendToGroups.******a",
        "webpubsub.sendToGroups.*.*.*.*.*.*",
        "webpubsub.sendToGroups.a\\b",
        "webpubsub.sendToGroups.a\\",
    ],
)
def test_unknown_or_invalid_role_is_ignored(role):
    some = Permissions.from_roles([role, "webpubsub.joinLeaveGroup.x"])
    for group in ("a", "x", "ab", "a\\b", "a" * 1025, "", "*.*.*.*.*.*"):
        assert not some.allows(SEND, group)
    assert some.allows(JOIN, "x")


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("room?", ["room1", "rooms"], ["room", "room.", "room12", "Room1"]),
        ("room*", ["room", "room12"], ["room.1", "aroom"]),
        ("*", ["", "abc"], ["a.b", "."]),
        ("**", ["", "a.b.c"], []),
        ("*****", ["a.b"], []),
        ("a.**", ["a.", "a.b.c"], ["a", "b.a."]),
        ("**.log", ["a.b.log", ".log"], ["log", "a.logs"]),
        ("a*.b*", ["a.b", "a1.b2"], ["a1.x.b2", "ab"]),
        ("a**b*c", ["abc", "a.x.bxc"], ["a.x.b.c", "ac"]),
        ("\\*\\?\\\\", ["*?\\"], ["**", "x?\\"]),
        ("a\\**", ["a*", "a*b"], ["ab", "a*.b"]),
        ("plain", ["plain"], ["plainer", "Plain"]),
        ("?*?", ["ab", "abc"], ["a", "a.b", ".a"]),
    ],
)
def test_pattern_role_allows_the_groups_it_matches(pattern, yes, no):
    some = Permissions.from_roles([f"webpubsub.joinLeaveGroups.{pattern}"])
    assert [group for group in yes if not some.allows(JOIN, group)] == []
    assert [group for group in no if some.allows(JOIN, group)] == []
    assert not some.allows(SEND, yes[0])


def test_double_star_alone_means_all():
    assert Permissions.from_roles(["webpubsub.sendToGroups.**"]).has(SEND)
    assert not Permissions.from_roles(["webpubsub.sendToGroups.*"]).has(SEND)


def test_only_ten_patterns_count_for_each_permission():
    roles = [f"webpubsub.{action}.{n}-*" for action in ("sendToGroups", "joinLeaveGroups") for n in range(12)]
    some = Permissions.from_roles(roles)
    for permission in (SEND, JOIN):
        assert [n for n in range(12) if some.allows(permission, f"{n}-x")] == list(range(10))


@pytest.mark.parametrize(
    "role",
    ["webpubsub.sendToGroup", "webpubsub.sendToGroup.a", "webpubsub.sendToGroups.a*", "webpubsub.sendToGroups.a"],
)
def test_revoked_group_is_denied_whatever_role_gave_it_until_granted_again(role):
    some = Permissions.from_roles([role, "webpubsub.sendToGroup.a", "webpubsub.sendToGroups.a?"])
    some.revoke(SEND, "a")
    assert not some.has(SEND, "a")
    assert not some.has(SEND)
    some.revoke(SEND, "a")
    some.grant(SEND, "a")
    some.grant(SEND, "a")
    assert some.has(SEND, "a")


def test_runtime_grant_is_of_a_literal_name():
    some = Permissions()
    some.grant(SEND, "*")
    assert some.has(SEND, "*")
    assert not some.has(SEND, "a")
    some.revoke(SEND, "*")
    assert not some.has(SEND, "*")


def test_granting_all_ends_exceptions_and_revoking_all_ends_grants():
    some = Permissions.from_roles(["webpubsub.sendToGroup", "webpubsub.sendToGroups.x*"])
    some.revoke(SEND, "a")
    assert not some.has(SEND)
    some.grant(SEND)
    assert some.has(SEND)
    assert some.has(SEND, "a")
    some.revoke(SEND)
    assert not some.has(SEND, "a")
    assert not some.has(SEND, "x1")


@pytest.mark.parametrize("everywhere", [False, True])
def test_literal_rules_stop_at_a_thousand_and_undoing_one_makes_room(everywhere):
    some = Permissions.from_roles(["webpubsub.sendToGroup"] if everywhere else [])
    change, undo = (some.revoke, some.grant) if everywhere else (some.grant, some.revoke)
    for n in range(1000):
        change(SEND, str(n))
    with pytest.raises(TooManyRules, match="1000 permission rules"):
        change(SEND, "one more")
    assert some.has(SEND, "one more") is everywhere
    change(SEND, "0")  # nothing new
    undo(SEND, "absent")
    undo(SEND, "0")
    change(SEND, "one more")
    assert some.has(SEND, "one more") is not everywhere
    some.grant(JOIN, "each permission counts for itself")


def test_literal_roles_over_the_limit_are_ignored():
    some = Permissions.from_roles([f"webpubsub.sendToGroup.{n}" for n in range(1001)])
    assert some.allows(SEND, "999")
    assert not some.allows(SEND, "1000")


def test_literal_roles_after_the_global_one_take_no_room():
    some = Permissions.from_roles(["webpubsub.sendToGroup", *(f"webpubsub.sendToGroup.{n}" for n in range(2000))])
    some.revoke(SEND, "a")
    assert not some.has(SEND, "a")


def test_missing_role_names_the_narrowest_one():
    role = missing_role(SEND, "a.b")
    assert role == "webpubsub.sendToGroup.a.b"
    assert Permissions.from_roles([role]).allows(SEND, "a.b")


def test_hostile_patterns_match_in_linear_time():
    roles = [f"webpubsub.sendToGroups.**{'a' * 500}*{'a' * 500}**{n}" for n in range(10)]
    some = Permissions.from_roles(roles)
    began = time.process_time()
    assert not some.allows(SEND, "a" * 1024)
    assert time.process_time() - began < 1


def naive(tokens, name):
    if not tokens:
        return not name
    head, *rest = tokens
    if head == "**":
        return any(naive(rest, name[n:]) for n in range(len(name) + 1))
    if head == "*":
        length = len(name.split(".")[0])
        return any(naive(rest, name[n:]) for n in range(length + 1))
    return bool(name) and (name[0] != "." if head == "?" else name[0] == head[-1]) and naive(rest, name[1:])


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.sampled_from(["a", "b", ".", "?", "*", "**", "\\*", "\\?"]), min_size=1, max_size=8),
    st.text("ab.*?", max_size=8),
)
def test_patterns_agree_with_a_naive_matcher(tokens, name):
    pattern = "".join(tokens)
    stars = sum(token.count("*") for token in tokens if token != "\\*")
    merged = []
    for token in tokens:
        if merged and token in ("*", "**") and merged[-1] in ("*", "**"):
            merged[-1] = "**"
        else:
            merged.append(token)
    some = Permissions.from_roles([f"webpubsub.joinLeaveGroups.{pattern}"])
    assert some.allows(JOIN, name) is (stars <= 5 and naive(merged, name))
