"""A service that the sandbox has not is named as such, whatever protocol its SDK reads."""

import boto3
from botocore.exceptions import ClientError

from checks import NO_RETRIES, Checks

CALLS = {
    "cloudformation": ("query", lambda client: client.list_stacks()),
    "autoscaling": ("query", lambda client: client.describe_auto_scaling_groups()),
    "dynamodb": ("JSON 1.0", lambda client: client.list_tables()),
    "ssm": ("JSON 1.1", lambda client: client.describe_parameters()),
    "lambda": ("REST-JSON", lambda client: client.list_functions()),
    "route53": ("REST-XML", lambda client: client.list_hosted_zones()),
}

checks = Checks()
for service, (protocol, call) in CALLS.items():
    try:
        call(boto3.client(service, config=NO_RETRIES))
        checks.check(f"{service}, by {protocol}", False, "it answers")
    except ClientError as error:
        told = error.response["Error"]
        checks.equal(f"{service}, by {protocol}: code", told["Code"], "UnknownService")
        checks.check(
            f"{service}, by {protocol}: its name",
            f"no service {service}:" in told.get("Message", ""),
            repr(told),
        )
checks.finish()
