"""IAM's roles: their trust policies, tags and boundaries."""

import json
from functools import partial

from documents import EC2_TRUST, PODS_TRUST

from .aws import paged

NAMES = ["build", "deploy", "release"]


def check(ledger, aws, boundary):
    iam = aws.client("iam")
    did = partial(ledger.did, "iam", "role")
    made = iam.create_role(
        RoleName="build", Path="/builds/", AssumeRolePolicyDocument=EC2_TRUST, Description="builds"
    )["Role"]
    ledger.equal("a role's ARN", made["Arn"], f"arn:aws:iam::{aws.account}:role/builds/build")
    did("create")
    for name in NAMES[1:]:
        iam.create_role(RoleName=name, Path="/builds/", AssumeRolePolicyDocument=EC2_TRUST)
    listed, sizes = paged(iam, "list_roles", "Roles", 2, PathPrefix="/builds/")
    names = [one["RoleName"] for one in listed]
    ledger.equal("roles, in two pages", (names, sizes), (NAMES, [2, 1]))
    did("list", "pages")
    read = iam.get_role(RoleName="BUILD")["Role"]
    ledger.equal("the role", {**made, **read}, read)
    did("read")
    trust_policies(ledger, iam)
    tags(ledger, iam)
    boundaries(ledger, iam, boundary)
    iam.update_role(RoleName="build", MaxSessionDuration=7200)
    read = iam.get_role(RoleName="build")["Role"]
    found = (read["MaxSessionDuration"], "Tags" in read)
    ledger.equal("a role that was changed", found, (7200, False))
    described = iam.update_role_description(RoleName="build", Description="a node")["Role"]
    ledger.equal("a role's description", described["Description"], "a node")
    did("update")
    for name in NAMES:
        iam.delete_role(RoleName=name)
    ledger.refused("a deleted role", "NoSuchEntity", lambda: iam.get_role(RoleName="build"), 404)
    did("delete")


def trust_policies(ledger, iam):
    did = partial(ledger.did, "iam", "role-trust-policy")

    def read():
        return iam.get_role(RoleName="build")["Role"]["AssumeRolePolicyDocument"]

    ledger.equal("a role's trust policy", read(), json.loads(EC2_TRUST))
    did("read")
    iam.update_assume_role_policy(RoleName="build", PolicyDocument=PODS_TRUST)
    ledger.equal("another trust policy", read(), json.loads(PODS_TRUST))
    did("update")
    ledger.refused(
        "a trust policy that trusts nobody",
        "MalformedPolicyDocument",
        lambda: iam.update_assume_role_policy(RoleName="build", PolicyDocument="{}"),
        400,
    )


def tags(ledger, iam):
    did = partial(ledger.did, "iam", "role-tags")
    wanted = [{"Key": "a", "Value": "b"}, {"Key": "c", "Value": ""}]
    iam.tag_role(RoleName="build", Tags=wanted)
    found, sizes = paged(iam, "list_role_tags", "Tags", RoleName="build")
    ledger.equal("a role's tags", (found, sizes), (wanted, [1, 1]))
    did("create", "list", "pages")
    iam.untag_role(RoleName="build", TagKeys=["A", "c"])
    ledger.equal("no tags", iam.list_role_tags(RoleName="build")["Tags"], [])
    did("delete")


def boundaries(ledger, iam, boundary):
    did = partial(ledger.did, "iam", "role-boundary")

    def read():
        return iam.get_role(RoleName="build")["Role"].get("PermissionsBoundary")

    iam.put_role_permissions_boundary(RoleName="build", PermissionsBoundary=boundary)
    ledger.equal("a role's boundary", read()["PermissionsBoundaryArn"], boundary)
    did("create", "read")
    iam.delete_role_permissions_boundary(RoleName="build")
    ledger.equal("no boundary of a role", read(), None)
    did("delete")
    ledger.refused(
        "no boundary of a role to take away",
        "NoSuchEntity",
        lambda: iam.delete_role_permissions_boundary(RoleName="build"),
        404,
    )
