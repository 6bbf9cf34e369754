"""The published library, in a virtual environment of its own, made once and kept; and one for ours, just like it.

Both get the very versions of azure-core, requests, urllib3 and aiohttp that this process uses, so that only the library
itself differs. ``python published.py`` makes the environments and prints their interpreters.
"""

import argparse
import importlib.util
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

VERSION = "1.3.0"
SHARED = ("azure-core", "requests", "urllib3", "aiohttp", "isodate")


def default_cache():
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "webpubsub-benchmarks"


def add_option(parser):
    parser.add_argument(
        "--cache", type=Path, default=default_cache(), help="where the published library is installed (%(default)s)"
    )


def published_python(cache):
    """Return the interpreter of an environment with the published library, which is made if it is not there."""
    return _environment(cache, f"published-{VERSION}", [f"azure-messaging-webpubsubservice=={VERSION}", *_shared()])


def our_python(cache):
    """Return the interpreter of an environment with this library, as it is in this process, and what it needs."""
    python = _environment(cache, "ours", [f"msrest=={version('msrest')}", *_shared()])
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    # A line with a path, which costs no more than an installed package; an editable installation has a finder that
    # imports much before the first line of a program runs.
    found = importlib.util.find_spec("azure.messaging.webpubsubservice")
    Path(site, "ours.pth").write_text(str(Path(found.origin).parents[3]) + "\n")
    return python


def _shared():
    return [f"{name}=={version(name)}" for name in SHARED]


def _environment(cache, name, wanted):
    directory = cache / f"{name}-python{sys.version_info[0]}.{sys.version_info[1]}"
    python = directory / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    done = directory / "installed.txt"
    if not done.exists() or done.read_text().split() != wanted:
        print(f"installing {name} in {directory}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", directory], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
        done.write_text("\n".join(wanted))
    return str(python)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_option(parser)
    cache = parser.parse_args().cache
    print(published_python(cache), our_python(cache), sep="\n")


if __name__ == "__main__":
    main()
