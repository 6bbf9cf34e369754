"""Every Python block of the README runs, in order and in one namespace, as a reader would run them."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
# A block that begins with the name of a file is that file; the others are one program.
FILES = {match[1]: block for block in BLOCKS if (match := re.match(r"# (\w+\.py)\n", block))}
ENVIRON = {k: v for k, v in os.environ.items() if k != "WEBPUBSUB_CONNECTION_STRING"}

ENDING = """
client.close()
emulator.stop()
print("the end")
"""


def run(folder, *arguments):
    done = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=folder,
        env=ENVIRON,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_every_python_block_runs(tmp_path):
    program = "\n".join(block for block in BLOCKS if block not in FILES.values()) + ENDING
    (tmp_path / "readme.py").write_text(program, encoding="utf-8")
    done = run(tmp_path, "readme.py")
    assert done.stdout.splitlines()[-1] == "the end"
    assert "REDACTED" in done.stdout


def test_every_file_runs_as_it_is_printed(tmp_path):
    assert list(FILES) == ["app.py", "conftest.py", "test_app.py", "test_app_unittest.py"]
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    with_pytest = run(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio")
    assert "2 passed" in with_pytest.stdout
    with_unittest = run(tmp_path, "-m", "unittest")
    assert "Ran 1 test" in with_unittest.stderr
    assert with_unittest.stderr.endswith("OK\n")


def test_first_command_needs_nothing_but_an_extra_of_ours():
    command = next(line for line in README.splitlines() if "pip install" in line)
    assert re.search(r'pip install -q "\.\[emulator\]" && ', command)


def test_first_program_comes_early():
    assert README[: README.index("```python")].count("\n") < 25


def test_test_command_is_the_one_of_ci():
    command = re.search(r"-m pytest.*", README)[0]
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_links_into_the_repository_lead_somewhere():
    for link in re.findall(r"\]\((?!https?://|#)([^)#]+)", README):
        assert (ROOT / link).exists(), link
