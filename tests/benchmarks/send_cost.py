"""What a send costs: CPU time of the client's process, and wall time, for each way to publish.

All rivals live at once and send in turn, round after round, so that a noisy moment hits them alike; the table shows
the medians of the rounds. The CPU time of the loopback server is not in it. Where a process lies in memory may make it
a tenth slower or faster for all its life: ``--starts`` evens this out.
"""

import argparse
import statistics
from contextlib import ExitStack

from loopback import Loopback
from published import add_option, published_python
from rivals import AIO, SYNC, Rival


def measure(arguments, server, python, kind, scheme):
    names = [name for name in (SYNC if kind == "sync" else AIO) if name not in arguments.without]
    options = {
        "python": python,
        "ca_file": server.ca_file if scheme == "https" else None,
        "size": arguments.size,
        "variables": arguments.variables,
    }
    costs = {workers: {name: [] for name in names} for workers in arguments.at_a_time}
    served = dict.fromkeys(costs, 0)
    busy = dict.fromkeys(costs, 0.0)
    for _ in range(arguments.starts):
        with ExitStack() as stack:
            rivals = [stack.enter_context(Rival(name, kind, server.url(scheme), **options)) for name in names]
            for workers, found in costs.items():
                before = server.cost()
                for number in range(arguments.rounds):
                    # The order turns with the rounds, so that no rival always follows the same one.
                    for rival in rivals[number % len(rivals) :] + rivals[: number % len(rivals)]:
                        found[rival.name].append(rival.run(arguments.sends, workers))
                after = server.cost()
                served[workers] += after["requests"] - before["requests"]
                busy[workers] += after["cpu"] - before["cpu"]
    for workers, found in costs.items():
        print_table(f"{kind}, {scheme}, {workers} at a time", found, arguments.sends)
        wall = sum(cost["wall"] for each in found.values() for cost in each)
        cpu = busy[workers]
        print(f"   server: {cpu / served[workers] * 1e6:.0f} us CPU a request, busy {cpu / wall:.0%} of the time\n")


def print_table(title, costs, sends):
    def median(name, what):
        return statistics.median(cost[what] for cost in costs[name]) / sends * 1e6

    bare = next(iter(costs))
    print(f"{title:32} CPU us/send   x {bare:8} x published   wall us/send")
    for name in costs:
        cpu = median(name, "cpu")
        published = f"{cpu / median('published', 'cpu'):9.2f}" if "published" in costs else f"{'':9}"
        ratio = cpu / median(bare, "cpu")
        print(f"   {name:29} {cpu:11.0f}   {ratio:10.2f}   {published}   {median(name, 'wall'):12.0f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--starts", type=int, default=1, help="how often all rivals start anew (%(default)s)")
    parser.add_argument("--rounds", type=int, default=15, help="rounds of each table and start (%(default)s)")
    parser.add_argument("--sends", type=int, default=300, help="sends of each rival in a round (%(default)s)")
    parser.add_argument("--size", type=int, default=130, help="bytes of a message (%(default)s)")
    parser.add_argument("--kind", nargs="+", choices=("sync", "aio"), default=["sync", "aio"])
    parser.add_argument("--scheme", nargs="+", choices=("http", "https"), default=["http", "https"])
    parser.add_argument("--at-a-time", nargs="+", type=int, default=[1, 50], help="threads or tasks (%(default)s)")
    parser.add_argument("--variables", type=int, default=0, help="more environment variables for the rivals")
    parser.add_argument("--without", nargs="+", default=[], metavar="RIVAL", help="rivals to leave out")
    add_option(parser)
    arguments = parser.parse_args()
    python = None if "published" in arguments.without else published_python(arguments.cache)
    with Loopback() as server:
        for scheme in arguments.scheme:
            for kind in arguments.kind:
                measure(arguments, server, python, kind, scheme)


if __name__ == "__main__":
    main()
