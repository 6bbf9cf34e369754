"""Settings of the documentation: ``sphinx-build -n -W -b html docs docs/_build/html``. Needs no network.

Other projects' names in docstrings are not linked, for their inventories would have to be fetched; that they exist is
checked by importing them, so that a misspelt one fails the build as one of our own does.
"""

import inspect
import logging
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any, get_type_hints

from docutils.nodes import Node, TextElement
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import stringify_annotation

from azure.messaging.webpubsubservice import ClientOptions, PipelineOptions, __version__, _all_types

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
html_static_path = ["static"]
html_css_files = ["names.css"]

nitpicky = True
default_role = "py:obj"
add_module_names = False
python_maximum_signature_line_length = 100
toc_object_entries_show_parents = "hide"
autodoc_member_order = "bysource"

# Names in annotations that the package imports for type checkers only, and what they stand for.
OURS = "azure.messaging.webpubsubservice"
SHORT_NAMES = {
    **{
        name: OURS if kind.__module__.startswith(OURS) else kind.__module__
        for name, kind in vars(_all_types).items()
        if not name.startswith("_")
    },
    "HttpResponseError": "azure.core.exceptions",
    "ClientFrame": f"{OURS}.emulator.hub._frames",
    "Packet": f"{OURS}.emulator.hub.mqtt._packets",
    "Publish": f"{OURS}.emulator.hub.mqtt._packets",
    "ServerFrame": f"{OURS}.emulator.hub._frames",
    "QueryValue": f"{OURS}.rest",
    "RequestOptions": f"{OURS}._options",
    "Sending": f"{OURS}.aio._sending",
}
# Type variables, of which a reader need not know more than the name.
TYPE_VARIABLES = (f"{OURS}.eventhandler._routing._", f"{OURS}._lifecycle.EntraCredential")

# The headings of the pages of operations and of builders, and which names come under each: the first that fits.
SUBJECTS = {
    "Send messages": r"send_to_",
    "Let clients connect": r"token",
    "Close connections": r"close_.*connection",
    "Permissions": r"permission",
    "Who is here": r"_exists|list_",
    "Groups": r"(add|remove)_",
    "Anything else": r"",
}


class Operations(SphinxDirective):
    """``.. operations:: Class``, or without it of the module: document what there is, by subjects, as the source goes.

    So an operation is in the reference, under its heading, as soon as it is in the code.
    """

    optional_arguments = 1

    def run(self) -> list[Node]:
        """Return a section for each subject."""
        owner: Any = import_module(self.env.ref_context["py:module"])
        directive = "autofunction:: "
        if self.arguments:
            owner = getattr(owner, self.arguments[0])
            directive = f"automethod:: {self.arguments[0]}."
        groups: dict[str, list[str]] = {subject: [] for subject in SUBJECTS}
        for name in operations(owner):
            groups[next(subject for subject, names in SUBJECTS.items() if re.search(names, name))].append(name)
        lines = []
        for subject, names in groups.items():
            if names:
                lines += [subject, "-" * len(subject), "", *(f".. {directive}{name}" for name in names), ""]
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def operations(owner: Any) -> list[str]:
    """Return the names of functions and methods in the order of the source, one noun after the other."""
    found = {name: it for name, it in vars(owner).items() if name[0] != "_" and inspect.isfunction(it)}
    modules = list(dict.fromkeys(it.__module__ for it in found.values()))
    return sorted(found, key=lambda name: (modules.index(found[name].__module__), found[name].__code__.co_firstlineno))


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


def show_defaults(*event: Any) -> tuple[str, str] | None:
    """Write ``...`` for a default that is made for each call, or means "not given": what they show is no Python."""
    signature, returned = event[-2:]
    return signature and (re.sub(r"<[a-z ]+>", "...", signature), returned)


def show_options(*event: Any) -> None:
    """Write out the keywords of a client where its docstring says ``:keyword options:``."""
    _, what, name, _, _, lines = event
    if what != "class" or not name.endswith(".WebPubSubServiceClient"):
        return
    start = next(number for number, line in enumerate(lines) if line.startswith(":keyword options:"))
    end = next(number for number, line in enumerate(lines) if number > start and not line.startswith(" "))
    lines[start:end] = keywords(ClientOptions, PipelineOptions)


def keywords(*options: Any) -> Iterator[str]:
    """Return the fields that document the keywords of some ``TypedDict``."""
    for each in options:
        types = get_type_hints(each, localns={"logging": logging})  # the one that only checkers import
        for (owner, name), text in ModuleAnalyzer.for_module(each.__module__).find_attr_docs().items():
            if owner == each.__name__:
                yield f":keyword {name}: {' '.join(text).strip()}"
                yield f":paramtype {name}: {stringify_annotation(types[name], 'smart')}"


def setup(app: Sphinx) -> None:
    """Take part in the build."""
    app.add_directive("operations", Operations)
    app.connect("autodoc-process-docstring", show_options)
    app.connect("missing-reference", resolve)
    app.connect("autodoc-process-signature", show_defaults)
