"""Draw ``terminal.svg``: three terminals, with what the commands really print. Run it where port 8080 is free.

python docs/images/make_terminal.py
"""

import subprocess
import sys
from contextlib import ExitStack
from html import escape
from pathlib import Path

LINE, COLUMNS, MARGIN = 20, 64, 12  # few columns, so that it can be read on a phone
WIDTH = 4 * MARGIN + COLUMNS * 8
COMMAND = [sys.executable, "-u", "-m", "azure.messaging.webpubsubservice"]
PICTURE = Path(__file__).with_name("terminal.svg")


def start(stack: ExitStack, *words: str) -> "subprocess.Popen[str]":
    """Run a verb of the command; it ends with the stack."""
    pipe = subprocess.PIPE
    process = stack.enter_context(
        subprocess.Popen([*COMMAND, *words], stdout=pipe, stderr=subprocess.STDOUT, text=True)
    )
    stack.callback(process.terminate)
    return process


def lines_until(process: "subprocess.Popen[str]", beginning: str) -> list[str]:
    """Read what a program prints, up to the line that begins so."""
    found = []
    for line in process.stdout or ():
        found.append(line.rstrip())
        if line.startswith(beginning):
            return found
    raise SystemExit(f"the program ended without {beginning!r}: {found}")


def run() -> list[tuple[str, list[str]]]:
    """Give the commands, and the lines that each printed."""
    with ExitStack() as stack:
        emulator = start(stack, "emulator")
        ready = lines_until(emulator, "ConnectionString: ")
        subscribe = start(stack, "subscribe", "chat")
        received = lines_until(subscribe, "Connected")
        published = subprocess.run([*COMMAND, "publish", "chat", "hello"], capture_output=True, text=True, check=True)
        received += lines_until(subscribe, "hello")
        said = (published.stdout + published.stderr).split("\r")[-1].split("\n")
        return [
            ("webpubsub emulator", ready[-1:]),
            ("webpubsub subscribe chat", received),
            ("webpubsub publish chat hello", [line for line in said if line]),
        ]


def draw(terminals: list[tuple[str, list[str]]]) -> str:
    """Draw the terminals below one another."""
    parts, top = [], MARGIN
    for command, printed in terminals:
        lines = [line[i : i + COLUMNS] for line in printed for i in range(0, len(line), COLUMNS)]
        height = LINE * (len(lines) + 1) + 24
        parts.append(
            f'<rect x="{MARGIN}" y="{top}" width="{WIDTH - 2 * MARGIN}" height="{height}" rx="8" fill="#16212e"/>'
        )
        for number, text in enumerate([f"$ {command}", *lines]):
            colour = "#7fd1ff" if number == 0 else "#e6edf3"
            y = top + 28 + LINE * number
            parts.append(f'<text x="{MARGIN + 16}" y="{y}" fill="{colour}" xml:space="preserve">{escape(text)}</text>')
        top += height + 12
    style = 'font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="13"'
    body = "\n".join(parts)
    size = f'viewBox="0 0 {WIDTH} {top}" width="{WIDTH * 6 // 5}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>\n{body}\n</svg>\n'


if __name__ == "__main__":
    PICTURE.write_text(draw(run()), encoding="utf-8")
    sys.stdout.write(f"{PICTURE.name}\n")
