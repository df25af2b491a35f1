"""One line a check, and an exit code that is not zero where one failed."""

import sys

from botocore.config import Config
from botocore.exceptions import ClientError

# A refusal is the answer that a check waits for: it is not to be asked for again.
NO_RETRIES = Config(retries={"total_max_attempts": 1})


class Checks:
    def __init__(self):
        self.passed = 0
        self.failed = 0

    def check(self, name, holds, detail=""):
        if holds:
            self.passed += 1
            print(f"ok    {name}", flush=True)
        else:
            self.failed += 1
            print(f"FAIL  {name}: {detail}", flush=True)
        return holds

    def equal(self, name, found, wanted):
        return self.check(name, found == wanted, f"found {found!r}, wanted {wanted!r}")

    def refused(self, name, code, call, status=None):
        """The call must end in AWS's error of that code, and of that HTTP status if one is given."""
        try:
            call()
        except ClientError as error:
            found = error.response["Error"]["Code"]
            answered = error.response["ResponseMetadata"]["HTTPStatusCode"]
            message = error.response["Error"].get("Message", "")
            self.check(
                f"{name}: {code}",
                found == code and status in (None, answered),
                f"found {answered} {found} ({message}), wanted {status or ''} {code}",
            )
        else:
            self.check(f"{name}: {code}", False, "it was allowed")

    def allowed(self, name, call):
        """The call must succeed; its answer is returned, or None."""
        try:
            answer = call()
        except ClientError as error:
            self.check(name, False, str(error))
            return None
        self.check(name, True)
        return answer

    def finish(self):
        print(f"{self.passed} checks held, {self.failed} failed", flush=True)
        sys.exit(0 if self.failed == 0 and self.passed > 0 else 1)
