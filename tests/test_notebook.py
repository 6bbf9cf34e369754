"""The notebook runs from its first cell to its last, and its outputs in the repository are of the same kind.

``python tests/test_notebook.py`` runs it and writes the outputs anew.
"""

import importlib.util
import os
import re
import sys
from pathlib import Path

import pytest

for_notebooks = "install nbclient, nbformat, ipykernel and matplotlib"
nbformat = pytest.importorskip("nbformat", reason=for_notebooks)
# These take long to import, and every worker imports this file.
missing = [name for name in ("nbclient", "ipykernel", "matplotlib") if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(missing != [], reason=for_notebooks)

NOTEBOOK = Path(__file__).parent.parent / "samples" / "quickstart.ipynb"


def execute():
    import nbclient

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3", record_timing=False).execute(
        cwd=str(NOTEBOOK.parent)
    )
    return notebook


def outputs(notebook):
    """Return the output of each code cell: text by MIME type."""
    found = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            found.append({})
            for output in cell.outputs:
                # Nothing is printed, and no warning shown, but for that of a matplotlib that was never used before.
                assert output.output_type != "stream" or "font cache" in output.text, output
                found[-1].update(output.get("data", {}))
    return found


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("jupyter"))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"):
            patch.setenv(name, folder)
        patch.setenv("PYTHONWARNINGS", "error::ResourceWarning")
        patch.delenv("WEBPUBSUB_CONNECTION_STRING", raising=False)
        yield execute()


@pytest.fixture
def committed():
    return nbformat.read(NOTEBOOK, as_version=4)


@pytest.mark.filterwarnings("default")  # the notebook's machinery is not ours
@pytest.mark.parametrize("which", ["executed", "committed"])
def test_notebook_shows_who_received_what(which, request):
    emulator, service, token, table, record, counts, plot, codes = outputs(request.getfixturevalue(which))
    assert re.fullmatch(r"<WebPubSubEmulator endpoint:'http://127\.0\.0\.1:\d+'>", emulator["text/plain"])
    assert service == {"text/plain": emulator["text/plain"].replace("Emulator", "ServiceClient")}
    assert token == {"text/plain": "(['baseUrl', 'token', 'url'], '/hubs/notebook')"}
    rows = re.findall(r"<tr>(.*?)</tr>", table["text/html"])
    cells = [re.findall(r"<td>(.*?)</td>", row) for row in rows]
    assert cells[0] == ["message", "ada", "bob", "cleo"]
    # Lines stand in the order of arrival, which differs from client to client.
    assert sorted(cells[1:]) == [
        ["&#x27;&quot;no dogs here&quot;&#x27;", "✓", "", "✓"],
        ["&#x27;hello dogs&#x27;", "", "✓", ""],
        ["&#x27;{&quot;hello&quot;: &quot;everyone&quot;}&#x27;", "✓", "✓", "✓"],
        ["b&#x27;hello ada&#x27;", "✓", "", ""],
    ]
    assert record["text/html"].count("<tr>") == 5
    assert "<td>hello dogs</td>" in record["text/html"]
    assert counts["text/html"] == '<progress value="600" max="600"></progress> 600 of 600 sent'
    assert counts["text/plain"] == "{'ada': 400, 'bob': 600, 'cleo': 200}"
    assert plot["image/png"].startswith("iVBOR")
    assert codes == {"text/plain": "{'ada': 1001, 'bob': 1001, 'cleo': 1001}"}


def test_notebook_in_the_repository_was_run_once_from_top_to_bottom(committed):
    counts = [cell.execution_count for cell in committed.cells if cell.cell_type == "code"]
    assert counts == [1, 2, 3, 4, 5, 6, 7, 8]


def test_notebook_in_the_repository_is_clean():
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert len(text) < 100_000
    nbformat.validate(nbformat.reads(text, as_version=4))
    text = re.sub(r'"image/png": "[^"]*"', "", text)
    assert "eyJ" not in text
    assert "access_token=" not in text
    assert not re.search(r"/(?:home|root|Users|tmp|opt|usr|work)/", text)


if __name__ == "__main__":
    os.environ.pop("WEBPUBSUB_CONNECTION_STRING", None)
    notebook = execute()
    nbformat.write(notebook, NOTEBOOK)
    sys.stdout.write(f"{NOTEBOOK.name}: {NOTEBOOK.stat().st_size} bytes\n")
