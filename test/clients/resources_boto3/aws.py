"""boto3's clients of the sandbox, and what watches them."""

import logging

import boto3
import boto3.compat
from checks import NO_RETRIES

from .model_watch import ModelWatch

# The one warning that is let by: that boto3 will give up the Python that runs it. It is said of old
# Pythons, and no answer can bring it about.
boto3.compat.filter_python_deprecation_warnings()


class LogWatch(logging.Handler):
    """Keeps what botocore, boto3, s3transfer and urllib3 have to complain of."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines = []
        logging.getLogger().addHandler(self)

    def emit(self, record):
        self.lines.append(f"{record.name}: {record.getMessage()}")


class Aws:
    def __init__(self):
        self.log = LogWatch()
        self.session = boto3.Session()
        self.models = ModelWatch(self.session.events)
        self.account = self.client("sts").get_caller_identity()["Account"]
        self.region = self.session.region_name

    def client(self, service, credentials=None, **more):
        """A client of the administrator, or of who has these credentials of IAM's or STS's."""
        if credentials is not None:
            more["aws_access_key_id"] = credentials["AccessKeyId"]
            more["aws_secret_access_key"] = credentials["SecretAccessKey"]
            more["aws_session_token"] = credentials.get("SessionToken")
        config = NO_RETRIES.merge(more.pop("config", None) or NO_RETRIES)
        return self.session.client(service, config=config, **more)

    def check_watches(self, ledger):
        """What no answer may have done: fallen outside its model, or made a library complain."""
        faults, unseen = self.models.split()
        ledger.equal("every answer keeps to its model", faults, [])
        ledger.equal("errors of models that are known and were not seen", unseen, [])
        # So many operations are in the programs: a watch that is no longer called would see none.
        operations = len(self.models.operations)
        ledger.check("operations that were looked at", operations >= 201, operations)
        ledger.equal("nothing was logged", self.log.lines, [])


def paged(client, operation, key, size=1, **arguments):
    """The items of a list that is taken in pages of that size, and how many each page had."""
    found, sizes = [], []
    pages = client.get_paginator(operation).paginate(
        PaginationConfig={"PageSize": size}, **arguments
    )
    for page in pages:
        found.extend(page[key])
        sizes.append(len(page[key]))
    return found, sizes
