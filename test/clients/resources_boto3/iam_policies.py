"""IAM's managed policies: their versions and tags, and who has them."""

import json
from functools import partial

from documents import policy, statement

from .aws import paged


def check(ledger, aws):
    iam = aws.client("iam")
    did = partial(ledger.did, "iam", "policy")
    document = policy(statement("s3:*"))
    made = iam.create_policy(
        PolicyName="readers", Path="/team/", PolicyDocument=document, Description="who reads"
    )["Policy"]
    arn = made["Arn"]
    ledger.equal("a policy's ARN", arn, f"arn:aws:iam::{aws.account}:policy/team/readers")
    did("create")
    other = iam.create_policy(PolicyName="writers", Path="/team/", PolicyDocument=document)
    other = other["Policy"]["Arn"]
    own = {"Scope": "Local", "PathPrefix": "/team/"}
    listed, sizes = paged(iam, "list_policies", "Policies", **own)
    ledger.equal("policies", ([one["Arn"] for one in listed], sizes), ([arn, other], [1, 1]))
    did("list", "pages")
    read = iam.get_policy(PolicyArn=arn)["Policy"]
    found = (read["PolicyId"], read["Description"], read["DefaultVersionId"])
    ledger.equal("a policy", found, (made["PolicyId"], "who reads", "v1"))
    did("read")
    ledger.refused("a scope", "ValidationError", lambda: iam.list_policies(Scope="Mine"))
    tags(ledger, iam, arn)
    versions(ledger, iam, arn)
    entities(ledger, iam, arn)
    iam.delete_policy(PolicyArn=other)
    iam.delete_policy(PolicyArn=arn)
    ledger.refused("a deleted policy", "NoSuchEntity", lambda: iam.get_policy(PolicyArn=arn), 404)
    did("delete")


def tags(ledger, iam, arn):
    did = partial(ledger.did, "iam", "policy-tags")
    iam.tag_policy(PolicyArn=arn, Tags=[{"Key": "a", "Value": "1"}])
    found = iam.list_policy_tags(PolicyArn=arn)["Tags"]
    ledger.equal("tags of a policy", found, [{"Key": "a", "Value": "1"}])
    did("create", "list")
    iam.untag_policy(PolicyArn=arn, TagKeys=["a"])
    ledger.equal("no tags of a policy", iam.list_policy_tags(PolicyArn=arn)["Tags"], [])
    did("delete")


def versions(ledger, iam, arn):
    did = partial(ledger.did, "iam", "policy-version")
    document = policy(statement("s3:Get*"))
    for number in range(2, 6):
        version = iam.create_policy_version(PolicyArn=arn, PolicyDocument=document)
        ledger.equal("a version", version["PolicyVersion"]["VersionId"], f"v{number}")
    did("create")
    ledger.refused(
        "a sixth version",
        "LimitExceeded",
        lambda: iam.create_policy_version(PolicyArn=arn, PolicyDocument=document),
    )
    listed, sizes = paged(iam, "list_policy_versions", "Versions", 2, PolicyArn=arn)
    names = [one["VersionId"] for one in listed]
    ledger.equal("the newest first", names, ["v5", "v4", "v3", "v2", "v1"])
    ledger.equal("in three pages", sizes, [2, 2, 1])
    did("list", "pages")
    read = iam.get_policy_version(PolicyArn=arn, VersionId="v5")["PolicyVersion"]
    ledger.equal("a version's document", read["Document"], json.loads(document))
    ledger.equal("which is not the default", read["IsDefaultVersion"], False)
    did("read")
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v5")
    default = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    ledger.equal("another default", default, "v5")
    did("update")
    ledger.refused(
        "the default version goes with its policy",
        "DeleteConflict",
        lambda: iam.delete_policy_version(PolicyArn=arn, VersionId="v5"),
    )
    ledger.refused("with its versions", "DeleteConflict", lambda: iam.delete_policy(PolicyArn=arn))
    for number in range(1, 5):
        iam.delete_policy_version(PolicyArn=arn, VersionId=f"v{number}")
    ledger.refused(
        "a deleted version",
        "NoSuchEntity",
        lambda: iam.get_policy_version(PolicyArn=arn, VersionId="v1"),
        404,
    )
    did("delete")


def entities(ledger, iam, arn):
    for name in ("has", "bounded"):
        iam.create_user(UserName=name)
    iam.attach_user_policy(UserName="has", PolicyArn=arn)
    iam.put_user_permissions_boundary(UserName="bounded", PermissionsBoundary=arn)
    found = iam.list_entities_for_policy(PolicyArn=arn)["PolicyUsers"]
    ledger.equal("who has it", [one["UserName"] for one in found], ["bounded", "has"])
    only = iam.list_entities_for_policy(PolicyArn=arn, PolicyUsageFilter="PermissionsBoundary")
    ledger.equal("as a boundary", [one["UserName"] for one in only["PolicyUsers"]], ["bounded"])
    local = iam.list_policies(Scope="Local", OnlyAttached=True)["Policies"]
    ledger.equal("attached ones of the account", [one["Arn"] for one in local], [arn])
    ledger.equal("attached once", local[0]["AttachmentCount"], 1)
    ledger.equal("a boundary once", local[0]["PermissionsBoundaryUsageCount"], 1)
    ledger.did("iam", "policy-entities", "list")
    ledger.refused(
        "a policy that is not there",
        "NoSuchEntity",
        lambda: iam.list_entities_for_policy(PolicyArn=arn + "x"),
    )
    ledger.refused("in use", "DeleteConflict", lambda: iam.delete_policy(PolicyArn=arn))
    iam.detach_user_policy(UserName="has", PolicyArn=arn)
    iam.delete_user_permissions_boundary(UserName="bounded")
    for name in ("has", "bounded"):
        iam.delete_user(UserName=name)
