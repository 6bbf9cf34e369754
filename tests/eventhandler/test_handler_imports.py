import json
import subprocess
import sys

PROGRAM = """
import json, sys
import azure.messaging.webpubsubservice
before = set(sys.modules)
import azure.messaging.webpubsubservice.eventhandler
import azure.messaging.webpubsubservice.eventhandler.__main__
import azure.messaging.webpubsubservice.eventhandler._duplicates
print(json.dumps([sorted(set(sys.modules) - before), sorted(sys.stdlib_module_names)]))
"""
PACKAGE = "azure.messaging.webpubsubservice.eventhandler"


def loaded(program):
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    return json.loads(run.stdout)


def test_event_handler_loads_the_standard_library_and_itself_alone():
    modules, standard = loaded(PROGRAM)
    others = [name for name in modules if name.partition(".")[0] not in standard and not name.startswith(PACKAGE)]
    assert PACKAGE + "._handler" in modules
    assert others == []


def test_event_handler_loads_nothing_heavy_before_it_is_needed():
    program = PROGRAM.replace(f"import {PACKAGE}.__main__\n", "").replace(f"import {PACKAGE}._duplicates\n", "")
    heavy = {
        "asyncio",
        "argparse",
        "concurrent.futures",
        "email",
        "hmac",
        "http",
        "http.client",
        "ssl",
        "urllib.request",
    }
    assert heavy.isdisjoint(loaded(program)[0])


def test_event_handler_shows_its_public_names():
    program = f"import json, {PACKAGE} as m; print(json.dumps([m.__all__, sorted(n for n in dir(m) if n[0] != '_')]))"
    exported, public = loaded(program)
    assert exported == sorted(exported)
    assert exported == public
