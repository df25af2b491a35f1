"""Documents of the programs that make AWS's resources."""

import json


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def statement(action, resource="*", effect="Allow", **more):
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


def trust(principal, *actions, **more):
    """Who may assume a role: a service's name, or a principal as a policy writes it."""
    who = {"Service": principal} if isinstance(principal, str) else principal
    action = list(actions) or ["sts:AssumeRole"]
    return policy({"Effect": "Allow", "Principal": who, "Action": action, **more})


PODS_TRUST = trust("pods.eks.amazonaws.com", "sts:AssumeRole", "sts:TagSession")
EC2_TRUST = trust("ec2.amazonaws.com")
# What of S3's public access is blocked: other than what new buckets have.
ACCESS_BLOCK = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": False,
    "BlockPublicPolicy": False,
    "RestrictPublicBuckets": True,
}
