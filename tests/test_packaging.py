"""What is packaged, and what the packaging says."""

import ast
import re
from pathlib import Path

from azure.messaging import webpubsubservice

ROOT = Path(__file__).parent.parent


def requirements():
    """The requirements of setup.py by name, as their lower bounds."""
    tree = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    found = [re.fullmatch(r"([A-Za-z][\w-]*)>=([\d.]+)(?:,<[\d.]+)?", text) for text in texts]
    return {match[1]: match[2] for match in found if match}


def test_lowest_versions_are_those_that_setup_allows():
    lines = (ROOT / ".ci" / "lowest.txt").read_text(encoding="utf-8").splitlines()
    assert dict(line.split("==") for line in lines) == requirements()


def test_package_says_that_it_is_typed():
    assert (Path(webpubsubservice.__file__).parent / "py.typed").exists()


def test_nothing_committed_names_a_machine_or_a_registry_host():
    patterns = re.compile(r"/(?:work|root|home)/\w|pypi\.org/simple|registry\.npmjs|files\.pythonhosted")
    kinds = {".py", ".md", ".txt", ".toml", ".ini", ".json", ".mjs", ".ipynb", ".html", ".in", ".rst", ".yaml"}
    folders = [ROOT / name for name in ("azure", "samples", "tests", "docs", ".ci") if (ROOT / name).exists()]
    files = [path for folder in folders for path in folder.rglob("*") if path.suffix in kinds]
    skipped = {"node_modules", "_build", "__pycache__"}
    files = [path for path in files if not skipped & set(path.parts) and path != Path(__file__)]
    assert files
    assert [str(path) for path in files if patterns.search(path.read_text(encoding="utf-8"))] == []
