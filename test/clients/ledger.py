"""What a program did to the sandbox's resources, one line a verb."""

import sys
import time

from checks import Checks


class Ledger(Checks):
    """Checks whose first failure ends the program; what is done must have been looked at."""

    def __init__(self):
        super().__init__()
        self.done = 0
        self.counted = 0

    def check(self, name, holds, detail=""):
        if not holds:
            # One write: programs have two threads.
            sys.stdout.write(f"FAIL  {name}: {detail}\n")
            sys.exit(1)
        self.passed += 1
        return True

    def did(self, service, resource, *verbs):
        """Says what was done. At least one check must have held since what was done before."""
        name = f"{service} {resource} {'/'.join(verbs)}"
        self.check(name, self.passed > self.counted, "nothing was looked at")
        self.counted = self.passed
        self.done += len(verbs)
        sys.stdout.write("".join(f"did {service} {resource} {verb}\n" for verb in verbs))


def close(*ledgers):
    """The closing line: a program that ends before it was cut short."""
    done = sum(ledger.done for ledger in ledgers)
    held = sum(ledger.passed for ledger in ledgers)
    print(f"{done} things done, {held} checks held", flush=True)


def wait_for(read, wanted, seconds=20):
    """What `read` gives once it is what is wanted, or as it is when the time is up."""
    end = time.monotonic() + seconds
    found = read()
    while found != wanted and time.monotonic() < end:
        time.sleep(0.1)
        found = read()
    return found
