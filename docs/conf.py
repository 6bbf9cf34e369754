"""Settings of the documentation: ``sphinx-build -n -W -b html docs docs/_build/html``. Needs no network.

Other projects' names in docstrings are not linked, for their inventories would have to be fetched; that they exist is
checked by importing them, so that a misspelt one fails the build as one of our own does.
"""

from importlib import import_module
from typing import Any

from docutils.nodes import TextElement
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from azure.messaging.webpubsubservice import __version__, _types

project = "azure-messaging-webpubsubservice"
version = release = __version__
extensions = ["sphinx.ext.autodoc", "myst_parser"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "html_image"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "Azure Web PubSub for Python"
html_theme_options = {"navigation_with_keys": True}
html_show_copyright = False
html_show_sourcelink = False
html_copy_source = False

nitpicky = True
default_role = "py:obj"
add_module_names = False
python_maximum_signature_line_length = 100
toc_object_entries_show_parents = "hide"
autodoc_member_order = "bysource"

# Names in annotations that the package imports for type checkers only, and what they stand for.
OURS = "azure.messaging.webpubsubservice"
SHORT_NAMES = {
    **{name: OURS if home.startswith(OURS) else home for name, home in _types.HOMES.items()},
    "HttpResponseError": "azure.core.exceptions",
    "ClientFrame": f"{OURS}.emulator.hub._frames",
    "Packet": f"{OURS}.emulator.hub.mqtt._packets",
    "Publish": f"{OURS}.emulator.hub.mqtt._packets",
    "ServerFrame": f"{OURS}.emulator.hub._frames",
    "QueryValue": f"{OURS}.rest",
    "RequestOptions": f"{OURS}._options",
    "Sending": f"{OURS}.aio._sending",
}
# What a decorator takes and gives back: type variables, of which a reader need not know more than the name.
TYPE_VARIABLES = f"{OURS}.eventhandler._routing._"


def resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, text: TextElement) -> TextElement | None:
    """Find what a reference means that is none to a documented name."""
    name = node["reftarget"]
    if node.get("refdomain") != "py" or not name:
        return None
    name = name.removeprefix("types.")  # the clients' module of such names
    if name in SHORT_NAMES:
        name = f"{SHORT_NAMES[name]}.{name}"
    if name.startswith(OURS):
        known = env.domains.python_domain
        found = known.resolve_xref(env, node["refdoc"], app.builder, "obj", name, node, text)
        return text if found is None and name.startswith(TYPE_VARIABLES) else found
    return text if exists(name) else None


def exists(name: str) -> bool:
    """Say whether a dotted name leads to something."""
    module, _, rest = name.rpartition(".")
    try:
        return hasattr(import_module(module or "builtins"), rest)
    except ImportError:
        return False


def show_factories(*event: Any) -> tuple[str, str] | None:
    """Write a default that a dataclass makes as ``...``, for what 'inspect' shows is no Python."""
    signature, returned = event[-2:]
    return signature and (signature.replace("<factory>", "..."), returned)


def setup(app: Sphinx) -> None:
    """Take part in the build."""
    app.connect("missing-reference", resolve)
    app.connect("autodoc-process-signature", show_factories)
