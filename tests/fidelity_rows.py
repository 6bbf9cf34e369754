"""The rows of the tables of docs/fidelity.md, and the tests that each names."""

import re
from pathlib import Path

TABLES = (Path(__file__).parent.parent / "docs" / "fidelity.md").read_text(encoding="utf-8")
NAME = re.compile(r"`(test_\w+)::(\w+)`")


def rows():
    """Return the cells of every row, without the heads of the tables."""
    lines = TABLES.splitlines()
    found = []
    for number, line in enumerate(lines):
        is_head = number + 1 < len(lines) and lines[number + 1].startswith("|---")
        if line.startswith("|") and not line.startswith("|---") and not is_head:
            found.append([cell.strip() for cell in line.strip("|").split("|")])
    return found


def named_tests(cells):
    """Return the tests of a row, as pairs of a file's stem and a function's name."""
    return NAME.findall(cells[-1])
