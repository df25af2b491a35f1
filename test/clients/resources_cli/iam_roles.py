"""IAM's roles and their trust policies."""

import json
from functools import partial

from documents import EC2_TRUST, PODS_TRUST

from .iam_entities import tags_and_boundary


def check(ledger, aws, account, boundary):
    did = partial(ledger.did, "iam", "role")
    build = {"role_name": "build"}
    work = {"path": "/builds/", "assume_role_policy_document": EC2_TRUST}
    made = aws("iam create-role", **build, **work)["Role"]
    ledger.equal("a role's ARN", made["Arn"], f"arn:aws:iam::{account}:role/builds/build")
    did("create")
    names = [one["RoleName"] for one in aws.paged("iam role", "Roles", "iam list-roles")]
    # The other lane makes roles at the same time.
    ledger.check("roles", {"build", "holder"} <= set(names), names)
    did("list")
    tags_and_boundary(ledger, aws, "role", "build", boundary)
    aws("iam update-assume-role-policy", **build, policy_document=PODS_TRUST)
    aws("iam update-role", **build, description="builds", max_session_duration="7200")
    read = aws("iam get-role", **build)["Role"]
    found = (read["Description"], read["MaxSessionDuration"])
    ledger.equal("a role that was changed", found, ("builds", 7200))
    did("update")
    ledger.equal("another trust", read["AssumeRolePolicyDocument"], json.loads(PODS_TRUST))
    ledger.did("iam", "role-trust-policy", "read", "update")
    ledger.check("without a boundary", "PermissionsBoundary" not in read, read)
    ledger.did("iam", "role-boundary", "delete")
    ledger.equal("the role", (read["RoleId"], read["Arn"]), (made["RoleId"], made["Arn"]))
    did("read")
    aws("iam delete-role", **build)
    aws.refused("NoSuchEntity", "iam get-role", **build)
    did("delete")
