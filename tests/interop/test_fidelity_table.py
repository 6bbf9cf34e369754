"""The tables of docs/fidelity.md: every row names tests, and every test named there exists."""

import re
from pathlib import Path

from fidelity_rows import NAME, TABLES, rows

ROOT = Path(__file__).resolve().parents[2]
DEFINED = re.compile(r"^\s*(?:async def |def |class )?(test_\w+|Test\w+)(?=[(: ])", re.MULTILINE)


def names_in(file):
    """Return the names of the tests in a file: functions, classes, and what is bound to such a name."""
    return set(DEFINED.findall(file.read_text(encoding="utf-8")))


def test_every_row_names_a_test_in_its_last_column():
    found = rows()
    assert len(found) > 50
    assert [cells[0] for cells in found if not NAME.search(cells[-1])] == []


def test_every_test_named_in_the_tables_exists():
    files = {file.stem: file for file in (ROOT / "tests").rglob("test_*.py") if "node_modules" not in file.parts}
    named = NAME.findall(TABLES)
    known = {stem: names_in(files[stem]) for stem, _ in named if stem in files}
    assert [f"{stem}::{name}" for stem, name in named if name not in known.get(stem, ())] == []
