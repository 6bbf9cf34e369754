"""The suite itself where Ctrl-C is ignored, as by ``nohup`` in a script and by ``&``: it ends, and passes."""

import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent
# One that stops a process by SIGINT; without the handler of conftest.py it waits until its limit, and fails.
ONE = TESTS / "command/test_publish.py::test_interrupted_input_says_how_far_it_came"


def test_tests_that_press_ctrl_c_pass_where_it_is_ignored():
    command = [
        "sh",
        "-c",
        'trap "" INT; exec "$@"',
        "sh",
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run([*command, str(ONE)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
