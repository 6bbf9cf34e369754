"""Every Python block of the README runs, in order and in one namespace, as a reader would run them."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def test_every_python_block_runs(tmp_path):
    # The tests among the blocks are run too: they are functions, which would otherwise only be defined.
    program = "\n".join(BLOCKS) + (
        "\ntest_news_reach_readers(emulator, 'news')\nclient.close()\nemulator.stop()\nprint('the end')\n"
    )
    tests = [
        node.name for node in ast.parse(program).body if isinstance(node, ast.FunctionDef) and node.name[:5] == "test_"
    ]
    assert tests == ["test_news_reach_readers"]
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


def test_first_program_comes_early():
    assert README[: README.index("```python")].count("\n") < 25


def test_test_command_is_the_one_of_ci():
    command = re.search(r"-m pytest.*", README)[0]
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_links_into_the_repository_lead_somewhere():
    for link in re.findall(r"\]\((?!https?://|#)([^)#]+)", README):
        assert (ROOT / link).exists(), link
