"""What is packaged, and what the packaging says."""

import ast
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

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


def test_what_an_earlier_build_left_reaches_no_wheel(tmp_path):
    if not (ROOT / "azure").is_dir():
        pytest.skip("the source is not here: the package is tested as it is installed")
    pytest.importorskip("setuptools", "77", reason="no setuptools that builds it")
    package = Path("azure", "messaging", "webpubsubservice")
    for name in ("setup.py", "README.md", "CHANGELOG.md", "LICENSE", package / "_version.py", package / "py.typed"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    stale = tmp_path / "build" / "lib" / package / "gone.py"
    stale.parent.mkdir(parents=True)
    stale.write_text("")
    build = "import setuptools.build_meta as backend; print(backend.build_wheel('dist'))"
    run = subprocess.run(
        [sys.executable, "-c", build], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert str(package / "py.typed") in names
    assert not [name for name in names if "gone" in name]


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
