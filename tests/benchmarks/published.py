"""The published library, in a virtual environment of its own, made once and kept.

It gets the very versions of azure-core, requests, urllib3 and aiohttp that this process uses, so that only the library
itself differs. ``python published.py`` makes the environment and prints its interpreter.
"""

import argparse
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
    directory = cache / f"published-{VERSION}-python{sys.version_info[0]}.{sys.version_info[1]}"
    python = directory / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    wanted = [f"azure-messaging-webpubsubservice=={VERSION}", *(f"{name}=={version(name)}" for name in SHARED)]
    done = directory / "installed.txt"
    if not done.exists() or done.read_text().split() != wanted:
        print(f"installing the published {VERSION} in {directory}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", directory], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
        done.write_text("\n".join(wanted))
    return str(python)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_option(parser)
    print(published_python(parser.parse_args().cache))


if __name__ == "__main__":
    main()
