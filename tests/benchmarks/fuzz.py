"""Fuzz: the tests that draw their inputs, with many more of them, for a set time; prints what they did in figures.

    python fuzz.py                  about 20 times the suite's inputs, ten minutes at most
    python fuzz.py --factor 100 --minutes 60

Hypothesis keeps what it finds in ``.hypothesis`` and tries that first from then on, also in the suite. Each round
draws anew. Ends with status 1 if anything was found.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
FILES = ("test_fuzz_client.py", "test_hostile_answers.py", "eventhandler/test_adapters_fuzz.py")
COUNT = re.compile(r"- (\d+) passing(?: test cases| examples)?, (\d+) failing")


def one_round(factor, minutes):
    command = [sys.executable, "-m", "pytest", "-q", "--hypothesis-show-statistics"]
    command += [str(TESTS / name) for name in FILES]
    environment = {**os.environ, "FUZZ_FACTOR": str(factor)}
    try:
        outcome = subprocess.run(
            command,
            cwd=TESTS.parent,
            env=environment,
            capture_output=True,
            text=True,
            timeout=minutes * 60,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    return outcome


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--factor", type=int, default=5, help="times the suite's inputs in each round (default: 5)")
    parser.add_argument("--minutes", type=float, default=10, help="when to stop (default: 10)")
    parser.add_argument("--rounds", type=int, default=4, help="most rounds (default: 4)")
    options = parser.parse_args()
    end = time.monotonic() + options.minutes * 60
    inputs = failures = rounds = 0
    for _ in range(options.rounds):
        left = (end - time.monotonic()) / 60
        outcome = one_round(options.factor, left) if left > 0 else None
        if outcome is None:
            print("the time is up")
            break
        rounds += 1
        counts = [(int(passing), int(failing)) for passing, failing in COUNT.findall(outcome.stdout)]
        drawn = sum(passing + failing for passing, failing in counts)
        inputs += drawn
        failures += outcome.returncode != 0
        print(f"round {rounds}: {drawn:,} inputs in {len(counts)} tests; {outcome.stdout.splitlines()[-1]}", flush=True)
        if outcome.returncode:
            print(outcome.stdout[-20_000:])
            break
    print(f"{rounds} rounds, {inputs:,} inputs, {failures} with a failure")
    sys.exit(1 if failures or not rounds else 0)


if __name__ == "__main__":
    main()
