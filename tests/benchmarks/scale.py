"""How the cost of a send grows with its payload, and whether memory stays flat over many sends."""

import argparse
import statistics
from contextlib import ExitStack

from loopback import Loopback
from published import add_option, published_python
from rivals import AIO, SYNC, Rival

NAMES = ("urllib3", "aiohttp", "published", "ours")


def payloads(arguments, server, python, kind):
    names = [name for name in (SYNC if kind == "sync" else AIO) if name in NAMES]
    print(f"{kind + ': CPU us/send, by bytes of the message':45}" + "".join(f"{name:>12}" for name in names))
    for size in arguments.sizes:
        with ExitStack() as stack:
            rivals = [stack.enter_context(Rival(name, kind, server.url(), python=python, size=size)) for name in names]
            costs = {name: [] for name in names}
            for _ in range(arguments.rounds):
                for rival in rivals:
                    costs[rival.name].append(rival.run(arguments.each)["cpu"] / arguments.each * 1e6)
        print(f"{size:45}" + "".join(f"{statistics.median(costs[name]):12.0f}" for name in names), flush=True)


def memory(arguments, server, kind, workers):
    print(f"\n{kind}: resident memory of ours over {arguments.sends} sends, {workers} at a time")
    step = arguments.sends // 10
    with Rival("ours", kind, server.url()) as rival:
        rival.run(step, workers)
        sizes = []
        for number in range(1, 11):
            cost = rival.run(step, workers)
            sizes.append(cost["resident"] / 2**20)
            print(f"   {number * step:8} sends   {sizes[-1]:7.1f} MiB   {step / cost['wall']:8.0f} sends/s", flush=True)
    print(f"   grew by {sizes[-1] - sizes[0]:.1f} MiB from the first tenth to the last")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=5, help="rounds for each size (%(default)s)")
    parser.add_argument("--each", type=int, default=100, help="sends of each rival in a round (%(default)s)")
    parser.add_argument("--sends", type=int, default=100_000, help="sends for the memory (%(default)s)")
    add_option(parser)
    arguments = parser.parse_args()
    python = published_python(arguments.cache)
    with Loopback() as server:
        for kind in ("sync", "aio"):
            payloads(arguments, server, python, kind)
        memory(arguments, server, "sync", 8)
        memory(arguments, server, "aio", 50)


if __name__ == "__main__":
    main()
