"""Packaging of azure-messaging-webpubsubservice."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory

from setuptools import find_namespace_packages, setup

ROOT = Path(__file__).parent
PACKAGE = "azure.messaging.webpubsubservice"
BUILD = TemporaryDirectory()  # what an earlier build left in the folder 'build' must not reach a wheel


def version() -> str:
    """Read the version without importing the package, which may not be installed yet."""
    text = (ROOT / PACKAGE.replace(".", "/") / "_version.py").read_text(encoding="utf-8")
    match = re.search(r'^VERSION = "([^"]+)"$', text, re.MULTILINE)
    if match is None:
        raise RuntimeError('_version.py has no line VERSION = "..."')
    return match.group(1)


def long_description() -> str:
    """Join what the package index shows: the README and the change log.

    Links into the repository lead nowhere there, nor do those to headings: their text stays, pictures go.
    """
    text = "\n\n".join((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CHANGELOG.md"))
    return re.sub(r"\[([^]]*)\]\((?!https?://)[^)]*\)", r"\1", re.sub(r"!\[[^]]*\]\([^)]*\)\n*", "", text))


setup(
    name="azure-messaging-webpubsubservice",
    version=version(),
    description="Azure Web PubSub service client library for Python, with an emulator and an event handler",
    long_description=long_description(),
    long_description_content_type="text/markdown",
    license="MIT",
    keywords="azure, azure sdk, web pubsub, websocket, real-time, emulator, cloudevents",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Developers",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Typing :: Typed",
    ],
    # PEP 420: 'azure' and 'azure.messaging' belong to many distributions, so neither has an __init__.py.
    packages=find_namespace_packages(include=[PACKAGE, PACKAGE + ".*"]),
    package_data={PACKAGE: ["py.typed"], f"{PACKAGE}.emulator.console": ["page/*"]},
    python_requires=">=3.10",
    install_requires=[
        "azure-core>=1.31.0,<2.0.0",
        "isodate>=0.6.1,<1.0.0",
        "msrest>=0.7.1,<1.0.0",
        "urllib3>=2.6.0,<3.0.0",
    ],
    extras_require={
        "aio": ["aiohttp>=3.14.0,<4.0.0"],
        "emulator": ["aiohttp>=3.14.0,<4.0.0", "PyJWT>=2.8.0,<3.0.0", "protobuf>=4.25.0", "websockets>=15.0"],
        # For 'webpubsub subscribe', and the progress bar of 'webpubsub publish'; the other verbs need nothing more.
        "command": ["websockets>=15.0", "tqdm>=4.66.3"],
    },
    entry_points={"console_scripts": [f"webpubsub = {PACKAGE}.command:main"]},
    options={"build": {"build_base": BUILD.name}},
    zip_safe=False,
)
