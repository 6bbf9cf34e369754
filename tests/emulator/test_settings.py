"""Event handler settings: in Python, as HUB=URL, in a file and an environment of the official shape."""

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azure.messaging.webpubsubservice.emulator._settings import (
    SettingsError,
    describe_handlers,
    parse_event_handler,
    read_event_handlers,
)
from azure.messaging.webpubsubservice.emulator._settings_file import Settings
from azure.messaging.webpubsubservice.emulator._settings_watch import SettingsWatch
from azure.messaging.webpubsubservice.emulator.webhooks._event_handlers import EventHandler
from azure.messaging.webpubsubservice.eventhandler import WebPubSubEventHandler

URL = "http://127.0.0.1:3000/eventhandler"
ALL = {"connect", "connected", "disconnected"}


def plain(handlers):
    return {
        hub: [(handler.url_template, set(handler.system_events), set(handler.user_events)) for handler in found]
        for hub, found in handlers.items()
    }


# In Python


def test_python_settings_take_every_form_of_a_handler():
    def function(method, headers, body):
        return None

    given_one = EventHandler(URL)
    found = read_event_handlers(
        {
            "Chat": [
                {"url_template": URL, "system_events": ["connect"], "user_event_pattern": "a,b"},
                given_one,
                URL,
            ],
            "other": function,
            "third": WebPubSubEventHandler("third", access_key="k"),
            "_default": ({"handler": function, "user_event_pattern": None},),
        }
    )
    assert list(found) == ["chat", "other", "third", "_default"]
    assert plain(found)["chat"] == [(URL, {"connect"}, {"a", "b"}), (URL, set(), {"*"}), (URL, ALL, {"*"})]
    assert found["chat"][1] is given_one
    assert found["other"][0].handler is function
    assert (found["other"][0].system_events, found["other"][0].user_events) == (set(), {"*"})
    assert (found["third"][0].system_events, found["third"][0].user_events) == (ALL, {"*"})
    assert found["_default"][0].user_events == set()
    assert read_event_handlers(None) == {}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([URL], "'event_handlers' must be a mapping of hub to handlers, not list"),
        ({"1hub": URL}, r"event_handlers\['1hub'\]: '1hub' is not the name of a hub \(a letter, then"),
        ({"_other": URL}, "nor '_default'"),
        ({3: URL}, "3 is not the name of a hub"),
        ({"chat": [{}]}, r"event_handlers\['chat'\]\[0\]: give 'url_template', 'app' or 'handler'"),
        ({"chat": {"url": URL}}, r"event_handlers\['chat'\]\[0\] has no setting 'url'; there are url_template, app,"),
        ({"chat": [URL, "ftp://x"]}, r"event_handlers\['chat'\]\[1\]: 'url_template' 'ftp://x' must be an absolute"),
        ({"chat": {"url_template": URL, "system_events": "connect"}}, "'system_events' must be a list of names"),
        ({"chat": 3}, "'handler' must be callable or have 'handle', not int"),
    ],
)
def test_python_settings_of_another_form_are_refused(value, message):
    with pytest.raises(SettingsError, match=message):
        read_event_handlers(value)


# On the command line


def test_argument_sends_all_events_of_the_hub():
    assert plain(parse_event_handler(f"Chat={URL}?a=b")) == {"chat": [(URL + "?a=b", ALL, {"*"})]}


def test_argument_without_a_hub_is_for_all_hubs():
    assert plain(parse_event_handler(URL + "?a=b")) == {"_default": [(URL + "?a=b", ALL, {"*"})]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "event handler ''"),
        ("chat=", "event handler 'chat=': 'url_template' '' must be an absolute http or https URL"),
        ("chat", "event handler 'chat': 'url_template' 'chat' must be"),
        ("chat=localhost:3000", "must be an absolute http or https URL"),
        (f"1={URL}", "'1' is not the name of a hub"),
        (f"={URL}", "'' is not the name of a hub"),
    ],
)
def test_argument_of_another_form_is_refused(text, message):
    with pytest.raises(SettingsError, match=message):
        parse_event_handler(text)


def test_code_in_the_url_is_in_no_error():
    with pytest.raises(SettingsError) as error:
        parse_event_handler("1=http://h/?code=secret")
    assert "secret" not in str(error.value)
    for url in ("ftp://h/?code=secret", "ftp://user:secret@h/", "http://user:secret@{hub}/"):
        with pytest.raises(SettingsError) as error:
            parse_event_handler(f"chat={url}")
        assert "secret" not in str(error.value)


# In a file

NESTED = {
    "Logging": {"LogLevel": {"Default": "Information"}},
    "WebPubSub": {
        "AccessKey": "k" * 32,
        "AllowUnvalidatedEntraTokens": True,
        "Hubs": {
            "getting_started": {
                "EventHandlers": [
                    {"UrlTemplate": URL, "SystemEvents": ["connected"], "EventPattern": "message"},
                    {"UrlTemplate": "https://h/{hub}/{event}", "EventPattern": "*", "Auth": {"Type": "None"}},
                ]
            },
            "_default": {"EventHandlers": [{"UrlTemplate": URL, "SystemEvents": ["connect", "Disconnected"]}]},
            "quiet": {"EventHandlers": []},
        },
    },
}
MEANING = {
    "getting_started": [(URL, {"connected"}, {"message"}), ("https://h/{hub}/{event}", set(), {"*"})],
    "_default": [(URL, {"connect", "disconnected"}, set())],
    "quiet": [],
}


def test_file_of_the_official_shape_is_read(tmp_path):
    path = tmp_path / "appsettings.json"
    path.write_text("\ufeff" + json.dumps(NESTED), encoding="utf-8")
    found = Settings.read(path, {})
    assert plain(found.event_handlers) == MEANING
    assert found.access_key == "k" * 32
    assert found.accept_entra_tokens is True
    assert found.ignored == ()
    assert "kkk" not in repr(found)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{}", "nothing"),
        ('{"Hubs": {"chat": {}}}', "only 'Hubs'"),
        ('{"Logging": {}, "WebPubSub.Hubs": {}}', "only 'Logging', 'WebPubSub.Hubs'"),
    ],
)
def test_file_whose_top_level_is_not_understood_is_refused(text, found):
    with pytest.raises(SettingsError) as error:
        Settings.parse(text, "f.json")
    assert str(error.value) == (
        f'f.json: has no "WebPubSub" at its top level, {found}: write {{"WebPubSub": {{"Hubs": {{}}}}}}'
    )


def test_hub_may_let_clients_in_without_a_token():
    hubs = {"Open": {"anonymousConnectPolicy": "Allow"}, "shut": {"AnonymousConnectPolicy": "deny"}}
    text = json.dumps({"WebPubSub": {"Hubs": hubs}})
    found = Settings.parse(text, "f")
    assert (found.anonymous_hubs, found.ignored) == (frozenset({"open"}), ())
    with pytest.raises(SettingsError, match='must be "allow" or "deny"'):
        Settings.parse(text.replace("Allow", "perhaps"), "f")


def test_file_may_say_nothing_in_the_right_form():
    assert Settings.parse('{"WebPubSub": {}}', "f") == Settings()
    assert Settings.read(None, {}) == Settings()


def joined(value, prefix=""):
    if isinstance(value, dict) and value:
        return {key: item for name, inner in value.items() for key, item in joined(inner, f"{prefix}{name}:").items()}
    if isinstance(value, list) and value:
        return joined({str(index): inner for index, inner in enumerate(value)}, prefix)
    return {prefix[:-1]: value}


def test_colon_joined_keys_mean_the_same():
    assert plain(Settings.parse(json.dumps(joined(NESTED)), "f").event_handlers) == MEANING


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_mixture_of_nesting_joining_and_case_means_the_same(data):
    def mixed(value):
        if isinstance(value, list):
            items = [mixed(item) for item in value]
            return dict(enumerate(items)) if items and data.draw(st.booleans()) else items
        if not isinstance(value, dict):
            return value
        result = {}
        for name, inner in value.items():
            spelt = data.draw(st.sampled_from([str.upper, str.lower, str]))(name) if name not in MEANING else name
            changed = mixed(inner)
            if isinstance(changed, dict) and changed and data.draw(st.booleans()):
                result |= {f"{spelt}:{below}": item for below, item in changed.items()}
            else:
                result[spelt] = changed
        return result

    found = Settings.parse(json.dumps(mixed(NESTED)), "f")
    assert plain(found.event_handlers) == MEANING


def test_comments_and_trailing_commas_are_allowed():
    text = """
    // the hub of the samples
    {"WebPubSub": {"Hubs": {"chat": {"EventHandlers": [
        {"UrlTemplate": "http://h/a//b", /* not a comment: "//" */ "EventPattern": "a,]",},
    ]}}}}
    """
    assert plain(Settings.parse(text, "f").event_handlers) == {"chat": [("http://h/a//b", set(), {"a", "]"})]}


def test_settings_without_a_meaning_are_named_and_ignored():
    text = json.dumps({"WebPubSub": {"Hubs": {"chat": {"EventListeners": [], "Anonymous": 1}}, "X": {"Y": 2}}})
    found = Settings.parse(text, "f.json")
    assert plain(found.event_handlers) == {"chat": []}
    assert found.ignored == (
        "f.json: WebPubSub:X is not a setting of this emulator, and is ignored",
        "f.json: WebPubSub:Hubs:chat:EventListeners is not a setting of this emulator, and is ignored",
        "f.json: WebPubSub:Hubs:chat:Anonymous is not a setting of this emulator, and is ignored",
    )


def test_handler_may_want_a_token_of_a_managed_identity():
    auth = {"Type": "ManagedIdentity", "ManagedIdentity": {"Resource": "api://my-backend"}}
    (handler,) = Settings.parse(one(UrlTemplate=URL, Auth=auth), "f.json").event_handlers["chat"]
    assert handler.managed_identity == "api://my-backend"
    auth["Type"] = "None"
    (handler,) = Settings.parse(one(UrlTemplate=URL, Auth=auth), "f.json").event_handlers["chat"]
    assert handler.managed_identity is None


def one(**handler):
    return json.dumps({"webpubsub": {"Hubs": {"chat": {"EventHandlers": [handler]}}}})


WHERE = "f.json: webpubsub:Hubs:chat:EventHandlers:0"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f.json: not JSON: "),
        ("[" * 100_000, "f.json: not JSON: "),
        ("[]", 'f.json: must be a JSON object, such as {"WebPubSub": {"Hubs": {}}}'),
        (json.dumps({"a" + ":a" * 40: 1})[:-2] + ('{"a":' * 40 + "1" + "}" * 40) + "}", "nested deeper than 32"),
        (one(), WHERE + " has no UrlTemplate; write the URL of the handler, such as http://localhost:3000/"),
        (one(UrlTemplate=3), WHERE + ":UrlTemplate must be a string"),
        (one(UrlTemplate="http://{hub}/"), WHERE + " UrlTemplate 'http://{hub}/' has a parameter in the host"),
        (one(UrlTemplate=URL, SystemEvents="connect"), WHERE + ":SystemEvents must be a list of strings, such as ["),
        (one(UrlTemplate=URL, SystemEvents=[1]), WHERE + ":SystemEvents must be a list of strings"),
        (one(UrlTemplate=URL, SystemEvents=["join"]), WHERE + " SystemEvents has ['join']; there are connect,"),
        (one(UrlTemplate=URL, EventPattern=["*"]), WHERE + ":EventPattern must be a string"),
        (one(UrlTemplate=URL, Auth={"Type": "ManagedIdentity"}), WHERE + ":Auth has no ManagedIdentity:Resource"),
        (one(UrlTemplate=URL, Auth={"Type": "Basic"}), WHERE + ":Auth:Type 'Basic' is neither 'None' nor"),
        (one(UrlTemplate=URL, Auth="None"), WHERE + ':Auth must be an object, such as {"Type": "ManagedIdentity"'),
        ('{"WebPubSub:Hubs:1": {}}', "f.json: WebPubSub:Hubs:1: '1' is not the name of a hub"),
        ('{"WebPubSub:Hubs:a:EventHandlers": "x"}', "f.json: WebPubSub:Hubs:a:EventHandlers must be a list of objects"),
        ('{"WebPubSub:AllowUnvalidatedEntraTokens": 1}', "AllowUnvalidatedEntraTokens must be true or false"),
        ('{"WebPubSub": 3}', "f.json: WebPubSub must be an object with hubs, accesskey"),
        ('{"WebPubSub": {"Hubs": "chat"}}', "f.json: WebPubSub:Hubs must be an object with a setting for each hub"),
        ('{"WebPubSub": {"Hubs": {"chat": "http://h/"}}}', "f.json: WebPubSub:Hubs:chat must be an object with event"),
        ('{"WebPubSub": {}, "Urls": "https://localhost:8080"}', "f.json: Urls has no http URL; write one, such as"),
        ('{"WebPubSub": {}, "Urls": "http://localhost:x"}', "f.json: Urls 'http://localhost:x' is not a URL"),
    ],
)
def test_wrong_file_is_refused_with_file_key_and_remedy(text, message):
    with pytest.raises(SettingsError) as error:
        Settings.parse(text, "f.json")
    assert message in str(error.value)


def test_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"absent\.json: the file cannot be read: No such file"):
        Settings.read(tmp_path / "absent.json", {})
    path = tmp_path / "settings.json"
    path.write_bytes(b"\xff\xfe{\x00}\x00")
    with pytest.raises(SettingsError, match=r"settings\.json: the file is not UTF-8: save it as UTF-8"):
        Settings.read(path, {})
    path.write_bytes(b" " * (1024 * 1024 + 1))
    with pytest.raises(SettingsError, match="larger than 1,048,576 bytes"):
        Settings.read(str(path), {})


@settings(max_examples=50, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["WebPubSub", "Hubs", "chat", "EventHandlers", "UrlTemplate", "SystemEvents", ":", "a:b"]
                ),
                inner,
                max_size=3,
            )
        ),
        max_leaves=8,
    )
)
def test_random_settings_are_read_or_refused(value):
    try:
        assert isinstance(Settings.parse(json.dumps(value), "f"), Settings)
    except SettingsError:
        return


# In the environment

CHAT = "WebPubSub__Hubs__chat__EventHandlers__0__"


def test_environment_of_the_official_shape_is_read():
    found = Settings.read(
        None,
        {
            "WebPubSub__AccessKey": "k" * 32,
            "WEBPUBSUB__ALLOWUNVALIDATEDENTRATOKENS": "True",
            CHAT + "UrlTemplate": URL,
            CHAT + "SystemEvents__0": "connect",
            CHAT + "SystemEvents__1": "connected",
            CHAT + "EventPattern": "a,b",
            "WebPubSub__Hubs__chat__EventHandlers__1__UrlTemplate": "http://second/",
            "WebPubSub__Hubs___default__EventHandlers__0__UrlTemplate": "http://rest/",
            "WebPubSub__Hubs__my_hub__EventHandlers__0__UrlTemplate": "http://mine/",
            "WEBPUBSUB_CONNECTION_STRING": "not ours",
            "Urls": "http://localhost:8090",
            "PATH": "/bin",
        },
    )
    assert plain(found.event_handlers) == {
        "chat": [(URL, {"connect", "connected"}, {"a", "b"}), ("http://second/", set(), set())],
        "_default": [("http://rest/", set(), set())],
        "my_hub": [("http://mine/", set(), set())],
    }
    assert (found.access_key, found.accept_entra_tokens) == ("k" * 32, True)
    assert (found.host, found.port, found.ignored) == ("localhost", 8090, ())


def test_environment_goes_before_the_file_setting_by_setting(tmp_path):
    path = tmp_path / "appsettings.json"
    path.write_text(json.dumps({**NESTED, "Urls": "http://localhost:1"}))
    environ = {"webpubsub__hubs__GETTING_STARTED__eventhandlers__0__urltemplate": "http://other/", "URLS": "http://h:2"}
    found = Settings.read(path, environ)
    expected = [("http://other/", {"connected"}, {"message"}), *MEANING["getting_started"][1:]]
    assert plain(found.event_handlers) == {**MEANING, "getting_started": expected}
    assert (found.access_key, found.host, found.port) == ("k" * 32, "h", 2)


@pytest.mark.parametrize(
    ("urls", "host", "port"),
    [
        ("http://127.0.0.1:8081", "127.0.0.1", 8081),
        ("http://*:8080", "0.0.0.0", 8080),
        ("http://+:80", "0.0.0.0", 80),
        ("http://[::]:8080/", "::", 8080),
        ("http://localhost", "localhost", 80),
        ("https://localhost:1; http://localhost:2", "localhost", 2),
    ],
)
def test_urls_say_where_to_listen(urls, host, port):
    found = Settings.read(None, {"Urls": urls})
    assert (found.host, found.port) == (host, port)
    ignored = ("environment: Urls: https://localhost:1 is ignored, as the emulator has one address",)
    assert found.ignored == (ignored if ";" in urls else ())


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({CHAT + "EventPattern": "*"}, "environment: WebPubSub__Hubs__chat__EventHandlers__0 has no UrlTemplate"),
        (
            {CHAT + "UrlTemplate": "ftp://h"},
            "environment: WebPubSub__Hubs__chat__EventHandlers__0 UrlTemplate 'ftp://h'",
        ),
        ({"WebPubSub__Hubs": "x"}, "environment: WebPubSub__Hubs must be an object"),
        ({"WebPubSub__Hubs__1__EventHandlers__0__UrlTemplate": URL}, "environment: WebPubSub__Hubs__1: '1' is not"),
        ({"Urls": ""}, "environment: Urls has no http URL"),
    ],
)
def test_wrong_environment_is_refused_with_name_and_remedy(environ, message):
    with pytest.raises(SettingsError) as error:
        Settings.read(None, environ)
    assert message in str(error.value)


def test_setting_of_the_environment_without_a_meaning_is_named():
    found = Settings.read(None, {"WebPubSub__Hubs__chat__EventListeners__0__Filter__Type": "EventName"})
    assert found.ignored == (
        "environment: WebPubSub__Hubs__chat__EventListeners is not a setting of this emulator, and is ignored",
    )


# A file that changes


def watched(path, *edits):
    """Make one edit after the other, each once the one before was noticed; return how often one was."""

    async def main():
        changes = asyncio.Queue()
        task = asyncio.create_task(SettingsWatch(path, seconds=0.002).run(lambda: changes.put_nowait(None)))
        count = 0
        for edit in edits:
            edit()
            await asyncio.wait_for(changes.get(), 10)
            count += 1
        task.cancel()
        return count + changes.qsize()

    return asyncio.run(main())


def test_change_of_a_file_is_noticed_once(tmp_path):
    path, other = tmp_path / "settings.json", tmp_path / "other.json"
    path.write_text("1")
    other.write_text("1")
    edits = [
        lambda: path.write_text("22"),
        lambda: other.replace(path),  # as editors do
        path.unlink,
        lambda: path.write_text("22"),
    ]
    assert watched(path, *edits) == len(edits)


def test_change_before_the_first_look_is_noticed(tmp_path):
    path = tmp_path / "settings.json"
    path.write_text("1")
    watch = SettingsWatch(path, seconds=0.002)
    path.write_text("22")

    async def main():
        changed = asyncio.Event()
        task = asyncio.create_task(watch.run(changed.set))
        await asyncio.wait_for(changed.wait(), 10)
        task.cancel()

    asyncio.run(main())


# How they are told


def test_handlers_are_told_with_their_hubs_and_events():
    handlers = read_event_handlers(
        {
            "chat": ["http://user:secret@h/{hub}?code=secret", EventHandler(URL, user_event_pattern="b,a")],
            "_default": {"url_template": URL, "system_events": ["disconnected"], "user_event_pattern": None},
            "none": EventHandler(handler=print, user_event_pattern=None),
        }
    )
    assert describe_handlers(handlers) == [
        "event handler of hub chat: http://h/{hub}, events connect, connected, disconnected, all user events",
        f"event handler of hub chat: {URL}, events a, b",
        f"event handler of every other hub: {URL}, events disconnected",
        "event handler of hub none: print, events none",
    ]
