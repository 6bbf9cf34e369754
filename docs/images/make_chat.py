"""Take ``chat.png`` and ``chat-phone.png`` of samples/chat_fastapi.py in Chromium: python docs/images/make_chat.py."""

import base64
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent / "tests"))
from test_chat_samples import Browser, Chatter, running, write  # noqa: E402 - they are not a package


def take(browser: Browser, name: str, width: int, height: int) -> None:
    """Take a picture of a window of this size."""
    browser.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
    picture = browser.call("Page.captureScreenshot")["data"]
    HERE.joinpath(name).write_bytes(base64.b64decode(picture))


def main() -> None:
    """Let three people talk, and look at it as one of them."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        raise SystemExit("Chromium is not installed")
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
        running("chat_fastapi.py", "fastapi", "uvicorn") as address,
        Chatter(address, "Bob") as bob,
        Chatter(address, "Cleo") as cleo,
        Browser(program, profile) as browser,
    ):
        browser.open(f"{address}?user=Ada")
        browser.see("Ada is here")
        bob.say({"room": "lobby", "text": "Hello Ada! The tomatoes are ripe."})
        browser.see("tomatoes")
        write(browser, "Wonderful. Shall we meet in the garden?")
        cleo.find(type="message", data={"user": "Ada", "text": "Wonderful. Shall we meet in the garden?"})
        cleo.say({"room": "lobby", "text": "I bring the basil."})
        browser.see("basil")
        take(browser, "chat.png", 1000, 560)
        take(browser, "chat-phone.png", 390, 700)


if __name__ == "__main__":
    main()
