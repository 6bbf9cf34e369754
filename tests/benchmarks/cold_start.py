"""What a cold start costs: a fresh interpreter imports the library, makes a client and mints a client URL.

That is what a "negotiate" function does. Wall time, from the first line of the caller's code on; the interpreter's own
start is not in it. "key credential" is for callers who have imported azure.core before, and pass an AzureKeyCredential.
"first send" goes on to send a message to the loopback server.
"""

import argparse
import os
import statistics
import subprocess
import tempfile

from loopback import Loopback
from published import add_option, our_python, published_python

KEY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"
CLIENT = "from azure.messaging.webpubsubservice import WebPubSubServiceClient\n"
FROM_STRING = f"client = WebPubSubServiceClient.from_connection_string('Endpoint=URL;AccessKey={KEY};', hub='h')\n"
WAYS = {
    "connection string": ("", CLIENT + FROM_STRING + "url = client.get_client_access_token(user_id='me')['url']\n"),
    "key credential": (
        "from azure.core.credentials import AzureKeyCredential\n",
        CLIENT
        + f"client = WebPubSubServiceClient('URL', 'h', AzureKeyCredential('{KEY}'))\n"
        + "url = client.get_client_access_token(user_id='me')['url']\n",
    ),
    "first send": (
        "",
        CLIENT + FROM_STRING + "client.send_to_all({'hello': 'world'}, content_type='application/json')\n",
    ),
    "import of azure.core's pipeline": ("", "import azure.core.pipeline, azure.core.rest\n"),
}
TIMED = """import time
{before}
started = time.perf_counter()
{timed}
print(time.perf_counter() - started)
"""


def measure(python, way, url, variables, bytecode):
    before, timed = WAYS[way]
    code = TIMED.format(before=before, timed=timed.replace("URL", url))
    environment = {**os.environ, **{f"BENCHMARK_{number}": "x" for number in range(variables)}}
    environment.pop("PYTHONPATH", None)  # each interpreter has its own library
    # The bytecode of both is there, as pip leaves it behind; for a source tree it may not be allowed.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment["PYTHONPYCACHEPREFIX"] = bytecode
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True, env=environment, cwd="/")
    return float(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="starts of each rival in each way (%(default)s)")
    parser.add_argument("--variables", type=int, default=0, help="more environment variables for the rivals")
    add_option(parser)
    arguments = parser.parse_args()
    rivals = {"published": published_python(arguments.cache), "ours": our_python(arguments.cache)}
    with Loopback() as server, tempfile.TemporaryDirectory() as bytecode:
        found = {way: {name: [] for name in rivals} for way in WAYS}
        for number in range(arguments.rounds + 1):
            for way in WAYS:
                for name, python in rivals.items():
                    seconds = measure(python, way, server.url(), arguments.variables, bytecode)
                    if number:  # the first fills the file caches, and writes the byte code
                        found[way][name].append(seconds)
    print(f"{'cold start':34} published ms   ours ms   x published")
    for way, times in found.items():
        published, ours = (statistics.median(times[name]) * 1e3 for name in ("published", "ours"))
        print(f"   {way:31} {published:12.1f}   {ours:7.1f}   {ours / published:11.2f}")


if __name__ == "__main__":
    main()
