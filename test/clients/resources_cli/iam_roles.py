"""IAM's roles: their trust policies, tags and boundaries."""

import json
from functools import partial

from documents import EC2_TRUST, PODS_TRUST


def check(ledger, aws, account, boundary):
    did = partial(ledger.did, "iam", "role")
    build = {"role_name": "build"}
    work = {"path": "/work/", "assume_role_policy_document": EC2_TRUST}
    made = aws("iam create-role", **build, **work)["Role"]
    ledger.equal("a role's ARN", made["Arn"], f"arn:aws:iam::{account}:role/work/build")
    did("create")
    names = [one["RoleName"] for one in aws.paged("iam role", "Roles", "iam list-roles")]
    # The other lane makes roles at the same time.
    ledger.check("roles", {"build", "holder"} <= set(names), names)
    did("list")
    parts(ledger, aws, boundary)
    aws("iam update-role", **build, description="builds", max_session_duration="7200")
    read = aws("iam get-role", **build)["Role"]
    found = (read["Description"], read["MaxSessionDuration"])
    ledger.equal("a role that was changed", found, ("builds", 7200))
    did("update")
    ledger.check("without a boundary", "PermissionsBoundary" not in read, read)
    ledger.did("iam", "role-boundary", "delete")
    ledger.equal("the role", (read["RoleId"], read["Arn"]), (made["RoleId"], made["Arn"]))
    did("read")
    aws("iam delete-role", **build)
    aws.refused("NoSuchEntity", "iam get-role", **build)
    did("delete")


def parts(ledger, aws, boundary):
    did = partial(ledger.did, "iam")
    build = {"role_name": "build"}
    wanted = [{"Key": "team", "Value": "a"}, {"Key": "zone", "Value": "b"}]
    aws("iam tag-role", **build, tags=wanted)
    found = aws.paged("iam role-tags", "Tags", "iam list-role-tags", **build)
    ledger.equal("tags", found, wanted)
    did("role-tags", "create", "list")
    aws("iam untag-role", **build, tag_keys=["zone"])
    aws("iam put-role-permissions-boundary", **build, permissions_boundary=boundary)
    aws("iam update-assume-role-policy", **build, policy_document=PODS_TRUST)
    read = aws("iam get-role", **build)["Role"]
    ledger.equal("one tag is left", read["Tags"], wanted[:1])
    did("role-tags", "delete")
    ledger.equal("a boundary", read["PermissionsBoundary"]["PermissionsBoundaryArn"], boundary)
    did("role-boundary", "create", "read")
    ledger.equal("another trust", read["AssumeRolePolicyDocument"], json.loads(PODS_TRUST))
    did("role-trust-policy", "read", "update")
    aws("iam delete-role-permissions-boundary", **build)
