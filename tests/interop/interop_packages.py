"""Where the software that we did not write comes from: installed once into the user's cache, else a reason to skip.

Each set of packages gets a folder of its own, made beside its place and moved there whole, for several test processes
may want it at once.
"""

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).parent
INSTALL_SECONDS = 120


def cache():
    try:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "webpubsub-interop"
        root.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:
        pytest.skip(f"there is no cache to install published packages in: {error}")
    return root


def node_modules():
    """Return a folder that holds the packages of package.json."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("Node is not installed")
    wanted = (HERE / "package.json").read_text(encoding="utf-8")
    folder = cache() / f"node-{_digest(wanted)}"
    if not folder.exists():
        with _beside(folder) as fresh:
            (fresh / "package.json").write_text(wanted, encoding="utf-8")
            quiet = ["--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=1"]
            _run([npm, "install", "--prefix", str(fresh), *quiet], "npm install", cwd=fresh)
    return folder


def python_with(*requirements):
    """Return the interpreter of a virtual environment that holds nothing but some packages."""
    version = ".".join(map(str, sys.version_info[:2]))
    folder = cache() / f"python{version}-{_digest(' '.join(requirements))}"
    inside = "Scripts/python.exe" if os.name == "nt" else "bin/python"
    if not folder.exists():
        with _beside(folder) as fresh:
            _run([sys.executable, "-m", "venv", "--without-pip", str(fresh)], "venv")
            pip = [sys.executable, "-m", "pip", "--python", str(fresh / inside)]
            quiet = ["--quiet", "--disable-pip-version-check", "--no-input", "--retries", "1"]
            _run([*pip, "install", *quiet, *requirements], "pip install")
    return str(folder / inside)


def source_of(requirement):
    """Return the folder of a published source distribution, ``name==version``, unpacked."""
    folder = cache() / f"source-{_digest(requirement)}"
    if not folder.exists():
        with _beside(folder) as fresh:
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
            only = ["--no-deps", "--no-binary", ":all:", "--no-build-isolation", "--retries", "1"]
            _run([*pip, *only, "--dest", str(fresh), requirement], "pip download")
            (archive,) = fresh.iterdir()
            shutil.unpack_archive(archive, fresh)
    return next(path for path in folder.iterdir() if path.is_dir())


def _digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@contextlib.contextmanager
def _beside(folder):
    with tempfile.TemporaryDirectory(dir=folder.parent, ignore_cleanup_errors=True) as parent:
        fresh = Path(parent) / "fresh"
        fresh.mkdir()
        yield fresh
        # Another process may have been faster.
        with contextlib.suppress(OSError):
            fresh.rename(folder)


def _run(command, name, cwd=None):
    try:
        run = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"{name} took more than {INSTALL_SECONDS} seconds")
    if run.returncode:
        pytest.skip(f"{name} failed: {run.stderr.strip()[-300:]}")
