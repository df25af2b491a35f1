"""What a pod with an SDK for Python does, as src/cli/demo/pod-program.ts does with the SDK for
JavaScript: GetCallerIdentity and GetObject by the default chain, and one JSON line of what came of it.

    python pod_check.py check BUCKET KEY
    python pod_check.py version             of the SDK, where this Python runs it
"""

import collections
import collections.abc
import json
import os
import sys

# Python 3.10 took these names from where boto3 of 2019 looks for them.
for name in collections.abc.__all__:
    if not hasattr(collections, name):
        setattr(collections, name, getattr(collections.abc, name))

import boto3  # noqa: E402
import botocore.session  # noqa: E402


class Session(botocore.session.Session):
    """All its clients, STS for the web identity too, are the sandbox's: boto3 reads
    AWS_ENDPOINT_URL since 1.28 alone, and no AWS_REGION."""

    def create_client(self, service_name, region_name=None, **settings):
        settings["endpoint_url"] = os.environ["AWS_ENDPOINT_URL"]
        region = region_name or os.environ["AWS_REGION"]
        return super().create_client(service_name, region, **settings)


def check(bucket, key):
    session = boto3.Session(botocore_session=Session())
    arn = session.client("sts").get_caller_identity()["Arn"]
    body = session.client("s3").get_object(Bucket=bucket, Key=key)["Body"]
    return {"ok": True, "arn": arn, "content": body.read().decode()}


def main(mode, *words):
    if mode == "version":
        print(boto3.__version__)
        return 0
    try:
        outcome = check(*words)
    except Exception as error:  # noqa: BLE001: whatever the SDK raises is what is told
        outcome = {"ok": False, "error": type(error).__name__, "message": str(error)}
    print(json.dumps(outcome))
    return 0 if outcome["ok"] else 1


sys.exit(main(*sys.argv[1:]))
