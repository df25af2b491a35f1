"""The AWS CLI as a program of its own, one process a call."""

import base64
import json
import math
import os
import re
import subprocess
from collections import Counter

# All warnings are errors but one of the CLI's own: it leaves the file of --body open.
WARNINGS = "error,ignore:unclosed file:ResourceWarning"
REFUSAL = re.compile(r"\nAn error occurred \(([\w.]+)\) when calling the \w+ operation: .*\n")


def environment(credentials):
    """What the CLI sees: that of the sandbox, with somebody else's credentials if any are given."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    kept |= {"AWS_MAX_ATTEMPTS": "1", "PYTHONWARNINGS": WARNINGS}
    if credentials is not None:
        kept["AWS_ACCESS_KEY_ID"] = credentials["AccessKeyId"]
        kept["AWS_SECRET_ACCESS_KEY"] = credentials["SecretAccessKey"]
        kept["AWS_SESSION_TOKEN"] = credentials["SessionToken"]
    return kept


def words_of(call, options):
    """`iam create-user` and its options as they are typed: user_name=… is --user-name …"""
    words = ["aws", *call.split()]
    for name, value in options.items():
        option = name.replace("_", "-")
        if value is True or value is False:
            words.append(f"--{option}" if value else f"--no-{option}")
        else:
            words += [f"--{option}", value if isinstance(value, str) else json.dumps(value)]
    return words


class Cli:
    def __init__(self, ledger, credentials=None):
        self.ledger, self.credentials = ledger, credentials
        self.environment = environment(credentials)
        # How often each operation was called, and what is listed by those that were in pages.
        self.asked, self.in_pages = Counter(), {}

    def run(self, words):
        return subprocess.run(
            words, capture_output=True, text=True, timeout=60, env=self.environment, check=False
        )

    def text(self, call, /, *arguments, **options):
        """What a call prints. It must end well, without a word on standard error."""
        self.asked[event_of(call)] += 1
        done = self.run([*words_of(call, options), *arguments])
        self.ledger.equal(call, (done.returncode, done.stderr), (0, ""))
        return done.stdout

    def __call__(self, call, /, *arguments, **options):
        """The JSON that a call prints, or None."""
        printed = self.text(call, *arguments, **options, output="json")
        return json.loads(printed) if printed.strip() else None

    def refused(self, code, call, /, *arguments, **options):
        """The call must end in AWS's error of that code, and say nothing else."""
        found = self.refusal(call, *arguments, **options)
        self.ledger.equal(f"{call} is refused", found, code)

    def refusal(self, call, /, *arguments, **options):
        """The code that a call is refused with, or all that it said."""
        done = self.run([*words_of(call, options), *arguments])
        matched = REFUSAL.fullmatch(done.stderr)
        if done.returncode == 0 or done.stdout or matched is None:
            return f"{done.returncode} {done.stdout} {done.stderr}"
        return matched[1]

    def paged(self, resource, member, call, size=1, /, **options):
        """
        A whole list, which the CLI takes in pages of that size by itself: check_pages looks up how
        often it asked, and says of the resource that its list was taken in pages.
        """
        listed = self(call, **options, page_size=str(size))
        self.ledger.check(f"{call} in one go", "NextToken" not in listed, listed)
        # The call itself is counted already.
        self.asked[event_of(call)] += math.ceil(len(listed[member]) / size) - 1
        self.in_pages[event_of(call)] = resource
        return listed[member]

    def resumed(self, member, call, size=1, /, **options):
        """
        A whole list, its first page by itself, then on from the token of that page. The token must
        be the service's: the CLI makes one of its own where it cuts a page that it was given whole.
        """
        each = {"page_size": str(size)}
        first = self(call, **options, **each, max_items=str(size))
        self.ledger.equal(f"{call}: the first page", len(first[member]), size)
        token = first.get("NextToken", "")
        inside = json.loads(base64.b64decode(token) or "{}")
        self.ledger.check(
            f"{call}: a token", inside and "boto_truncate_amount" not in inside, inside
        )
        rest = self(call, **options, **each, starting_token=token)
        self.ledger.check(f"{call}: a second page", rest[member] and "NextToken" not in rest, rest)
        return first[member] + rest[member]

    def check_pages(self, requests):
        """CloudTrail has each request: as many as a list has pages, two at least."""
        for event, resource in self.in_pages.items():
            found = requests[event]
            self.ledger.equal(f"requests for {event}", found, self.asked[event])
            self.ledger.check(f"{event} in pages", found >= 2, found)
            self.ledger.did(*resource.split(), "pages")


def event_of(call):
    """`iam list-users` is ListUsers."""
    return "".join(word.capitalize() for word in call.split()[1].split("-"))
