"""The console in a real browser: Debian's Chromium, driven by Selenium."""

import contextlib
import http.server
import json
import shutil
import threading
from types import SimpleNamespace

import pytest

from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.emulator import EventHandler, WebPubSubEmulator

webdriver = pytest.importorskip("selenium.webdriver", reason="Selenium is not installed")
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select, WebDriverWait  # noqa: E402

WAIT = 20
JSON = "json.webpubsub.azure.v1"
# Chromium's own sandbox does not work as root in a container; the pages are ours, or this test's.
SWITCHES = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
TAG = "<img src=x onerror=\"document.title='hacked'\">"
MARKUP = f"{TAG}<b>bold</b><script>document.title='hacked'</script>"


@pytest.fixture(scope="module")
def driver():
    program = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("Chromium or its driver is not installed (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for each in SWITCHES:
        options.add_argument(each)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield browser
    browser.quit()


class Page:
    """The console, as somebody in front of it uses it."""

    def __init__(self, driver, emulator):
        self.driver = driver
        self.emulator = emulator
        self.resize(1400, 900)
        driver.get("about:blank")
        driver.get(emulator.console_url)
        self.until(lambda: self.text("#live") == "live")

    def resize(self, width, height):
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def until(self, condition):
        return WebDriverWait(self.driver, WAIT, poll_frequency=0.03).until(lambda _: condition())

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def run(self, script, *values):
        return self.driver.execute_script(script, *values)

    def see(self, selector, text):
        try:
            self.until(lambda: text in self.text(selector))
        except Exception:
            raise AssertionError(f"{text!r} is not in {self.text(selector)!r}") from None

    def click(self, selector):
        self.find(selector).click()

    def tab(self, name):
        self.click(f"#tab-{name}")

    def fill(self, form, **fields):
        for name, value in fields.items():
            self.run(
                """const [field, value] = arguments;
                field.value = value;
                for (const name of ["input", "change"]) field.dispatchEvent(new Event(name, {bubbles: true}));""",
                self.find(f"{form} [name={name}]"),
                value,
            )

    def submit(self, form, said, **fields):
        self.fill(form, **fields)
        self.run("document.querySelector(arguments[0]).textContent = ''", f"{form} output")
        self.click(f"{form} p.buttons button:not([type=button])")
        self.see(f"{form} output", said)

    def choose(self, text):
        """Click on the first row of the time line that has the text."""
        self.until(lambda: [row for row in self.all(".row") if text in row.text])[0].click()
        self.until(lambda: self.find("#detail").is_displayed())


@pytest.fixture
def emulator():
    with WebPubSubEmulator(console=True) as running:
        yield running


@pytest.fixture
def page(driver, emulator):
    driver.get_log("browser")
    yield Page(driver, emulator)
    # A violation of the policy would be there, and each error of a script; what the API refuses is there, too.
    assert [each for each in driver.get_log("browser") if each["source"] != "network"] == []


@pytest.fixture
def service(emulator):
    with WebPubSubServiceClient.from_connection_string(emulator.connection_string, hub="chat") as client:
        yield client


def handler(method, headers, body):
    return SimpleNamespace(status=200, headers={"Content-Type": "text/plain"}, body=b"pong")


def test_begins_with_what_to_do_first(emulator, page):
    page.see("#empty", "Nothing has happened yet")
    assert emulator.connection_string in page.text("#empty")
    assert "WebPubSubServiceClient.from_connection_string(" in page.text("#empty")
    page.see("#hub-list", "Nobody is connected")
    page.click("#empty button.main")
    assert page.find("#client-form").is_displayed()


def test_shows_who_is_there_and_what_happens(emulator, page, service):
    with emulator.connect("chat", user_id="ada", groups=["cats"], subprotocol=JSON) as ada:
        page.see("#hub-list", "1 connection, 1 group, 1 user")
        page.see("#counts", "1 hub · 1 connection · 1 user")
        service.send_to_group("cats", {"n": 12345678901234567890})
        ada.receive()
        ada.send_json({"type": "joinGroup", "group": "secret", "ackId": 7})
        ada.receive()
        page.choose('message cats {"n"')
        page.see("#detail pre", '{\n  "n": 12345678901234567890\n}')
        page.click("#detail details summary")
        page.see("#detail details pre", "0000  7b 22 6e 22")
        page.choose("ack #7 Forbidden")
        page.see("#detail dl", "Ack id\n7")
        page.choose("REST")
        page.see("#detail dl", "Method\nPOST")
        page.click("#kinds label.refusal ~ label input")
        for kind in ("rest", "in", "out", "webhook"):
            page.click(f"#kinds label.{kind} input")
        page.until(lambda: len(page.all(".row")) == 1)
        assert "it needs the role 'webpubsub.joinLeaveGroup'" in page.text("#rows")
    page.see("#hub-list", "Nobody is connected")


def test_filters_and_keys(emulator, page, service):
    with emulator.connect("chat", user_id="ada") as ada, emulator.connect("news"):
        for number in range(3):
            service.send_to_all(f"number {number}", content_type="text/plain")
            ada.receive()
        page.see("#matching", "8 entries")
        page.fill("#filter", text="number 1")
        page.see("#matching", "2 entries")
        page.fill("#filter", text="nowhere")
        page.see("#empty", "No entry fits the filter")
        page.click("#empty button")
        page.see("#matching", "8 entries")
        page.fill("#filter", user="ada", hub="chat")
        page.see("#matching", "4 entries")
        page.click("#filter [type=reset]")
        page.see("#matching", "8 entries")
        rows = page.find("#list")
        rows.send_keys(Keys.HOME)
        page.see("#detail h2", "conn 1")
        rows.send_keys(Keys.ARROW_DOWN, Keys.ARROW_DOWN)
        page.see("#detail h2", "REST 3")
        active = rows.get_attribute("aria-activedescendant")
        assert page.find(f"#{active}").get_attribute("aria-selected") == "true"
        rows.send_keys(Keys.ENTER)
        page.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
        assert not page.find("#detail").is_displayed()


def test_sends_to_all_to_a_group_and_to_a_user(emulator, page):
    messages = [
        ({"to": "all", "dataType": "json", "data": '{"a": 1}'}, '{"a": 1}'),
        ({"to": "groups", "name": "cats", "dataType": "text", "data": "purr"}, "purr"),
        ({"to": "users", "name": "ada", "dataType": "binary", "data": "AAH/"}, b"\x00\x01\xff"),
    ]
    with emulator.connect("chat", user_id="ada", groups=["cats"]) as ada:
        page.tab("send")
        for fields, message in messages:
            page.submit("#send-form", "Sent: 202", hub="chat", **fields)
            assert ada.receive() == message


def test_sends_to_a_connection_with_its_options_and_says_what_is_wrong(emulator, page):
    with emulator.connect("chat", user_id="ada") as ada, emulator.connect("chat", user_id="bob") as bob:
        page.tab("send")
        page.click("#send-form summary")
        page.submit(
            "#send-form",
            "Sent: 202",
            dataType="text",
            data="for one",
            filter=f"connectionId ne '{ada.connection_id}'",
            excluded="nobody, nobody else",
            ttl="60",
        )
        assert bob.receive_text() == "for one"
        page.submit("#send-form", "400 ", filter="what is this")
        page.tab("live")
        page.until(lambda: len(page.all("#hub-list .connection")) == 2)
        page.click("#hub-list .connection")
        page.click("#connection [name=message]")
        page.submit("#send-form", "Sent: 202", data="to you", filter="", excluded="", ttl="")
        assert ada.receive_text() == "to you"


def test_connections_are_granted_revoked_dropped_closed(emulator, page):
    with emulator.connect("chat", user_id="ada", subprotocol=JSON) as ada:
        page.until(lambda: page.all("#hub-list .connection"))
        page.click("#hub-list .connection")
        page.fill("#connection", permission="joinLeaveGroup", group="cats")
        # Each time what is seen has come to rest before the next click: what is new moves the buttons.
        for name, done, said in (("grant", True, "Granted"), ("revoke", False, "Revoked")):
            page.click(f"#connection [name={name}]")
            page.see("#connection output", f"{said}.")
            page.until(lambda: ("Granted\njoinLeaveGroup.cats" in page.text("#chosen-facts")) is done)  # noqa: B023
            ada.send_json({"type": "joinGroup", "group": "cats", "ackId": 1 + done})
            assert ada.receive_json()["success"] is done
            page.see("#chosen-facts", "Groups\ncats")
            page.see("#hub-list", "Groups: cats (1)")
        page.click("#connection [name=close]")
        assert ada.receive_json()["message"] == "closed in the console"
        page.see("#chosen-facts", "State\nover")
        page.see("#rows", "ended: closed in the console")


def test_reliable_client_in_the_page_recovers(emulator, page, service):
    page.tab("clients")
    fields = {"userId": "zoë", "protocol": "json.reliable.webpubsub.azure.v1", "groups": "lobby", "minutes": "5"}
    page.submit("#client-form", "", hub="chat", **fields)
    page.see(".client h2", "zoë in chat open")
    page.click(".client .main")
    page.see(".client .log", '"ackId":1,"success":true')
    page.see(".client .log", '"from":"group","group":"lobby","fromUserId":"zoë"')
    assert '"reconnectionToken":"(not shown)"' in page.text(".client .log")
    Select(page.find(".client select")).select_by_visible_text("ping")
    page.click(".client .main")
    page.see(".client .log", '{"type":"pong"}')
    page.tab("live")
    page.click("#hub-list .connection")
    page.click("#connection [name=drop]")
    page.see("#rows", "recovered")
    service.send_to_user("zoë", "again", content_type="text/plain")
    page.tab("clients")
    page.see(".client .log", '"data":"again"')
    assert '"sequenceId":2' in page.text(".client .log")


def test_simple_client_in_the_page(emulator, page):
    emulator.add_event_handler("chat", handler)
    page.tab("clients")
    page.submit("#client-form", "", protocol="")
    page.see(".client h2", "anonymous in chat open")
    page.click(".client .main")
    page.see(".client .log", "pong")
    page.click(".client p.buttons button:nth-child(2)")
    page.see(".client h2", "closed")
    page.see("#rows", "ended: closed by the client: 1000")
    page.click(".client p.buttons button:nth-child(3)")
    assert page.all(".client") == []


def test_events_are_sent_and_repeated(emulator, page):
    page.tab("events")
    page.see("#handlers", "There is none")
    page.submit("#event-form", "there is no event handler")
    calls = []

    def counting(method, headers, body):
        calls.append(body)
        return handler(method, headers, body)

    emulator.add_event_handler("chat", EventHandler(handler=counting, group_presence_events=["joined"]))
    page.see("#handlers", "takes joined, user events *")
    page.submit("#event-form", ": 200: pong", kind="user", event="ask", data="what?")
    page.choose("ask 200")
    page.see("#detail", "Answer 4 bytes\npong")
    page.click("#detail .main")
    page.see("#detail output", "Repeated as entry 2: 200")
    assert calls == [b"what?", b"what?"]
    page.submit("#event-form", "Entry 3: 200", kind="joined", group="cats")
    page.submit("#event-form", "no event handler takes 'left'", kind="left")


def test_faults_clock_and_reset(emulator, page, service):
    from azure.core.exceptions import HttpResponseError

    page.tab("faults")
    for fault in ("drop", "dropAfter", "truncate", "delay", "cut", "stopReading"):
        page.submit("#fault-form", "Injected.", fault=fault, **({"delay": "0"} if fault == "delay" else {}))
    page.submit(
        "#fault-form", "Injected.", fault="status", status="429", retryAfter="0", delay="", path="*/:send", times="2"
    )
    page.see("#armed", "status=429")
    armed = [each.text for each in page.all("#armed li")]
    assert len(armed) == 7
    assert armed[4:] == [
        "RestFault(path='*/:send', status=429, retry_after=0) 2 to come",
        "SocketFault(drop=True) 1 to come",
        "SocketFault(stop_reading=True) 1 to come",
    ]
    assert page.text("#clock").startswith("As the machine's")
    page.fill("#clock-form", seconds="90")
    page.click("#clock-form .main")
    page.see("#clock", "90 seconds ahead")
    page.click("#reset-form button")
    page.see("#reset-form output", "As it was when it started.")
    page.until(lambda: page.all("#armed li") == [])
    page.submit("#fault-form", "Injected.", fault="status")
    with pytest.raises(HttpResponseError, match="429"):
        service.send_to_all("x", retry_total=0)
    page.see("#rows", "429: a fault that was injected")


def test_what_is_shown_is_taken_away(emulator, page, service):
    with emulator.connect("chat") as client:
        service.send_to_all("hello", content_type="text/plain")
        client.receive()
        page.see("#matching", "3 entries")
        page.click("#take-pytest")
        page.see("#taken pre", "assert client.receive_text() == 'hello'")
        page.click("#taken [name=close]")
        page.fill("#filter", text="hello")
        page.see("#matching", "2 entries")
        page.click("#take-json")
        page.see("#taken pre", '"title": "message hello"')
        assert len(json.loads(page.text("#taken pre"))) == 2
        page.find("#taken").send_keys(Keys.ESCAPE)


def test_text_of_others_is_text(emulator, page, service):
    with emulator.connect("chat", user_id=MARKUP, groups=[TAG], roles=[MARKUP], subprotocol=JSON) as one:
        one.send_json({"type": "event", "event": "ask", "dataType": "text", "data": MARKUP})
        service.send_to_group(TAG, MARKUP, content_type="text/plain", metadata={"k": "<b>v</b>"})
        one.receive()
        service.close_connection("x", reason=MARKUP)
        page.until(lambda: page.all("#hub-list .connection"))
        page.click("#hub-list .connection")
        for number in range(1, len(emulator.record.frames)):
            page.find("#list").send_keys(Keys.HOME, *[Keys.ARROW_DOWN] * number)
            page.see("#detail h2", f" {number + 1}")
        page.click("#take-json")
        page.see("#taken pre", "onerror")
        page.click("#taken [name=close]")
        page.tab("clients")
        page.submit("#client-form", "", userId=MARKUP)
        page.see(".client .log", "connected")
        assert MARKUP in page.text("#hub-list")
        assert page.run("return document.querySelectorAll('body img, body b, body script').length") == 0
        assert page.driver.title == "Web PubSub emulator"


def test_thousands_of_entries_are_a_handful_of_elements(emulator, page, service):
    from azure.messaging.webpubsubservice.emulator import RecordedRefusal

    def add():
        for number in range(4000):
            emulator._record.add_refusal(RecordedRefusal("chat", None, f"number {number}"))

    emulator._call(add)
    page.see("#matching", "the latest 2,000 of 4,000 entries")
    page.see("#rows", "number 3999")
    assert len(page.all(".row")) < 100
    page.find("#list").send_keys(Keys.HOME)
    page.see("#rows", "number 2000")
    assert len(page.all(".row")) < 100


def test_fits_a_phone_and_everything_has_a_name(emulator, page, service):
    with emulator.connect("chat", user_id="a" * 100, groups=["g" * 200]) as client:
        service.send_to_all("x" * 1000, content_type="text/plain")
        client.receive()
        page.resize(390, 800)
        seen = "return [...document.querySelectorAll(arguments[0])].filter((each) => each.checkVisibility())"
        for name in ("timeline", "live", "send", "clients", "events", "faults"):
            page.tab(name)
            assert page.find(f"#tab-{name}").get_attribute("aria-selected") == "true"
            assert page.run("return document.scrollingElement.scrollWidth") <= 390, name
            for each in page.run(seen, "input, select, textarea, button"):
                assert each.accessible_name, each.get_attribute("outerHTML")
        page.tab("timeline")
        page.choose("message xxx")
        assert page.run("return document.scrollingElement.scrollWidth") <= 390


def test_dark_and_light_are_the_systems_choice(page):
    colours = set()
    for scheme in ("dark", "light"):
        preference = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", preference)
        colours.add(page.run("return getComputedStyle(document.body).backgroundColor"))
    assert colours == {"rgb(18, 21, 26)", "rgb(245, 246, 248)"}


def test_without_the_token_it_says_what_is_needed(driver, emulator):
    driver.get("about:blank")
    driver.get(emulator.console_url.partition("#")[0])
    waiting = WebDriverWait(driver, WAIT, poll_frequency=0.03)
    waiting.until(lambda _: "open the URL that the emulator printed" in driver.find_element(By.ID, "notice").text)
    assert "AccessKey" not in driver.page_source


ATTACK = """<!doctype html><title>attack</title><iframe src="PAGE"></iframe><form action="PAGEapi/reset" method="post"
target="frame"></form><iframe name="frame"></iframe><script>
const tried = [];
const attempt = (name, promise) =>
  promise.then((value) => tried.push([name, value]), () => tried.push([name, "refused"]));
const socket = (first) => new Promise((resolve, reject) => {
  const it = new WebSocket("PAGEapi/live".replace("http", "ws"));
  it.onopen = () => it.send(first);
  it.onmessage = ({ data }) => resolve(data);
  it.onclose = reject;
});
const script = new Promise((resolve, reject) => {
  const it = document.createElement("script");
  Object.assign(it, { type: "module", src: "PAGEmain.js", onload: resolve, onerror: reject });
  document.head.append(it);
});
const text = (answer) => answer.text();
const post = { method: "POST", body: "{}" };
document.forms[0].submit();
Promise.all([
  attempt("read", fetch("PAGEapi/state").then(text)),
  attempt("with the token", fetch("PAGEapi/state", { headers: { "X-Console-Token": "TOKEN" } }).then(text)),
  attempt("post", fetch("PAGEapi/reset", post).then(text)),
  attempt("socket", socket(JSON.stringify({ token: "TOKEN" }))),
  attempt("script", script),
  fetch("PAGEapi/reset", { ...post, mode: "no-cors", credentials: "include" }).catch(() => null),
]).then(() => (document.title = "done"));
</script>"""


@contextlib.contextmanager
def serving(text):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *words):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_page_of_another_origin_gets_nothing_even_with_the_token(driver, emulator):
    page, _, token = emulator.console_url.partition("#")
    attack = ATTACK.replace("PAGE", page).replace("TOKEN", token)
    with serving(attack) as address, emulator.connect("chat") as client:
        driver.get(address)
        WebDriverWait(driver, WAIT, poll_frequency=0.03).until(lambda _: driver.title == "done")
        tried = driver.execute_script("return tried")
        assert sorted(tried) == [[name, "refused"] for name in ("post", "read", "script", "socket", "with the token")]
        assert driver.execute_script("try { return frames[0].document.title } catch { return 'closed' }") == "closed"
        # Nobody has reset anything: the client is still there, and so is what was recorded of it.
        assert len(emulator.record.connections) == 1
        assert client.connection_id in emulator._switchboard._links
    driver.get_log("browser")
