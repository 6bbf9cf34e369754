"""How many sends a second one client makes from many threads, and how many connections it throws away doing so.

"discarded" counts urllib3's "Connection pool is full" in all rounds, "connections" those that the server saw.
"""

import argparse
import statistics

from loopback import Loopback
from published import add_option, published_python
from rivals import SYNC, Rival


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 8, 32, 64])
    parser.add_argument("--rounds", type=int, default=7, help="rounds for each number of threads (%(default)s)")
    parser.add_argument("--sends", type=int, default=1000, help="sends of each rival in a round (%(default)s)")
    parser.add_argument("--scheme", choices=("http", "https"), default="http")
    parser.add_argument("--without", nargs="+", default=["azure-core", "ours, builder"], metavar="RIVAL")
    add_option(parser)
    arguments = parser.parse_args()
    names = [name for name in SYNC if name not in arguments.without]
    python = published_python(arguments.cache) if "published" in names else None
    with Loopback() as server:
        url = server.url(arguments.scheme)
        ca_file = server.ca_file if arguments.scheme == "https" else None
        for threads in arguments.threads:
            # Fresh clients for each number of threads: the connections of the one before do not help.
            rivals = [Rival(name, "sync", url, python=python, ca_file=ca_file, threads=threads) for name in names]
            found = {name: measure(rival, server, threads, arguments) for name, rival in start(rivals)}
            show(threads, found)


def start(rivals):
    for rival in rivals:
        with rival:
            yield rival.name, rival


def measure(rival, server, threads, arguments):
    before = server.cost()["connections"]
    costs = [rival.run(arguments.sends, threads) for _ in range(arguments.rounds)]
    return {
        "rate": arguments.sends / statistics.median(cost["wall"] for cost in costs),
        "cpu": statistics.median(cost["cpu"] for cost in costs) / arguments.sends,
        "discarded": costs[-1]["discarded"],
        "connections": server.cost()["connections"] - before - 1,  # asking for the cost takes one
    }


def show(threads, found):
    print(f"{threads:2} threads            sends/s   x published   CPU us/send   connections   discarded")
    published = found.get("published", {"rate": float("nan")})["rate"]
    for name, one in found.items():
        print(
            f"   {name:17} {one['rate']:9.0f}   {one['rate'] / published:11.2f}   {one['cpu'] * 1e6:11.0f}"
            f"   {one['connections']:11}   {one['discarded']:9}"
        )


if __name__ == "__main__":
    main()
