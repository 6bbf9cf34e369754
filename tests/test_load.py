"""The small form of ``benchmarks/load.py``."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "benchmarks" / "load.py"


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the script reads memory from /proc")
def test_nothing_is_lost_or_doubled_under_load():
    command = [sys.executable, str(SCRIPT), "--sends", "300", "--threads", "8", "--tasks", "40", "--faults", "15"]
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    results = json.loads(outcome.stdout.splitlines()[-1])
    assert list(results) == ["sync", "aio"]
    for figures in results.values():
        assert (figures["sent"], figures["lost"], figures["doubled"]) == (300, 0, 0)
        assert figures["said"] == ""
        assert figures["statuses"] == [0, 0, 0]
