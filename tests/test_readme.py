"""Every Python block of the README runs, in order and in one namespace, as a reader would run them."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


# The tests among the blocks are run too: they would otherwise only be defined.
ENDING = """
emulator.reset()
test_readers_receive_the_news_of_their_topic(emulator, "news")
assert unittest.TextTestRunner().run(unittest.defaultTestLoader.loadTestsFromTestCase(NewsTest)).testsRun == 1
client.close()
emulator.stop()
print("the end")
"""


def test_every_python_block_runs(tmp_path):
    program = "\n".join(BLOCKS) + ENDING
    tests = re.findall(r"^(?:def (test_\w+)|class (\w+)\(unittest)", program, re.MULTILINE)
    assert tests == [("test_readers_receive_the_news_of_their_topic", ""), ("", "NewsTest")]
    path = tmp_path / "readme.py"
    path.write_text(program, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
        env={k: v for k, v in os.environ.items() if k != "WEBPUBSUB_CONNECTION_STRING"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "the end"
    assert "REDACTED" in done.stdout
    assert "Ran 1 test" in done.stderr
    assert "OK" in done.stderr


def test_first_program_comes_early():
    assert README[: README.index("```python")].count("\n") < 25


def test_test_command_is_the_one_of_ci():
    command = re.search(r"-m pytest.*", README)[0]
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_links_into_the_repository_lead_somewhere():
    for link in re.findall(r"\]\((?!https?://|#)([^)#]+)", README):
        assert (ROOT / link).exists(), link
