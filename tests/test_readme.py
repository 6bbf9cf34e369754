"""Every Python block of the README runs, in order and in one namespace, as a reader would run them."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
# A block that begins with the name of a file is that file; the others are one program.
FILES = {match[1]: block for block in BLOCKS if (match := re.match(r"# (\w+\.py)\n", block))}
ENVIRON = {k: v for k, v in os.environ.items() if k != "WEBPUBSUB_CONNECTION_STRING"}

ENDING = """
client.close()
emulator.stop()
print("the end")
"""


def run(folder, *arguments):
    done = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=folder,
        env={**ENVIRON, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},  # half of the time
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_every_python_block_runs(tmp_path):
    program = "\n".join(block for block in BLOCKS if block not in FILES.values()) + ENDING
    (tmp_path / "readme.py").write_text(program, encoding="utf-8")
    done = run(tmp_path, "readme.py")
    assert done.stdout.splitlines()[-1] == "the end"
    assert "REDACTED" in done.stdout


def test_every_file_runs_as_it_is_printed(tmp_path):
    assert list(FILES) == ["conftest.py", "test_news.py"]
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    with_pytest = run(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert "1 passed" in with_pytest.stdout


def test_first_command_needs_nothing_but_an_extra_of_ours():
    command = next(line for line in README.splitlines() if "pip install" in line)
    assert re.search(r'pip install -q "\.\[emulator\]" && ', command)


def test_first_program_comes_early():
    assert README[: README.index("```python")].count("\n") < 25


def test_test_command_is_the_one_of_ci():
    command = re.search(r"-m pytest.*", README)[0]
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_contributing_tells_every_part_of_ci():
    told = re.findall(r"^\| `bash \.ci/run (\w+)`", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.MULTILINE)
    assert told == re.search(r'^parts="(.*)"$', (ROOT / ".ci/run").read_text("utf-8"), re.MULTILINE)[1].split()


def heading_anchors(text):
    return {re.sub(r"[^a-z0-9 -]", "", line.lower()).replace(" ", "-") for line in re.findall(r"^##+ (.*)", text, re.M)}


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "samples/README.md"])
def test_links_into_the_repository_lead_somewhere(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    for link in re.findall(r"\]\((?!https?://)([^)]+)", text):
        path, _, anchor = link.partition("#")
        assert (ROOT / name).parent.joinpath(path).exists(), link
        assert not anchor or anchor in heading_anchors(text), link


def test_every_section_is_in_the_table_of_contents_or_below_one_that_is():
    listed = set(re.findall(r"\]\(#([^)]+)\)", README))
    assert set(heading_anchors("\n".join(re.findall(r"^## .*", README, re.MULTILINE)))) <= listed


def test_package_index_is_shown_no_link_that_leads_nowhere(monkeypatch):
    if not (ROOT / "azure").is_dir():
        pytest.skip("the source is not here: the package is tested as it is installed")
    import setuptools

    given = {}
    monkeypatch.setattr(setuptools, "setup", given.update)
    runpy.run_path(str(ROOT / "setup.py"))["BUILD"].cleanup()
    shown = given["long_description"]
    assert not re.search(r"\]\((?!https?://)", shown)
    assert "Samples · Change log" in shown.replace("\n", " ")


def test_every_way_to_install_gives_this_version():
    """An install line without a version gives 1.3.0, which has not what the pages are about."""
    pages = [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("samples/**/*.md"), *ROOT.glob("samples/**/*.py")]
    for page in pages:
        for line in re.findall(r"^.*pip install .*azure-messaging-webpubsubservice.*", page.read_text("utf-8"), re.M):
            assert ">=2.0.0b1" in line or "gives you 1.3.0" in line, f"{page.name}: {line}"


def test_readme_is_a_landing_page():
    assert len(README.split()) < 1300
