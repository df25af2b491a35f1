"""IAM's instance profiles and the role in each."""

import json
from functools import partial

from documents import EC2_TRUST

from .aws import paged


def check(ledger, aws):
    iam = aws.client("iam")
    did = partial(ledger.did, "iam", "instance-profile")
    node = {"InstanceProfileName": "node"}
    made = iam.create_instance_profile(**node, Path="/x/")["InstanceProfile"]
    wanted = f"arn:aws:iam::{aws.account}:instance-profile/x/node"
    ledger.equal("an instance profile", (made["Arn"], made["Roles"]), (wanted, []))
    did("create")
    iam.create_role(RoleName="node", AssumeRolePolicyDocument=EC2_TRUST)
    roles(ledger, iam)
    for number in range(2):
        iam.create_instance_profile(InstanceProfileName=f"spare{number}")
    listed, sizes = paged(iam, "list_instance_profiles", "InstanceProfiles", 2)
    names = [one["InstanceProfileName"] for one in listed]
    ledger.equal("three in two pages", (names, sizes), (["node", "spare0", "spare1"], [2, 1]))
    did("list", "pages")
    read = iam.get_instance_profile(**node)["InstanceProfile"]
    ledger.equal("the profile", {**made, **read}, read)
    did("read")
    iam.tag_instance_profile(**node, Tags=[{"Key": "a", "Value": "b"}])
    tags = iam.list_instance_profile_tags(**node)["Tags"]
    ledger.equal("its tags", tags, [{"Key": "a", "Value": "b"}])
    iam.untag_instance_profile(**node, TagKeys=["a"])
    ledger.equal("no tags", iam.list_instance_profile_tags(**node)["Tags"], [])
    ledger.refused(
        "one name twice",
        "EntityAlreadyExists",
        lambda: iam.create_instance_profile(InstanceProfileName="NODE"),
    )
    for name in ("node", "spare0", "spare1"):
        iam.delete_instance_profile(InstanceProfileName=name)
    ledger.refused(
        "a deleted profile", "NoSuchEntity", lambda: iam.get_instance_profile(**node), 404
    )
    did("delete")
    iam.delete_role(RoleName="node")


def roles(ledger, iam):
    did = partial(ledger.did, "iam", "instance-profile-role")
    pair = {"InstanceProfileName": "node", "RoleName": "node"}
    node = {"InstanceProfileName": "node"}

    def for_role():
        found = iam.list_instance_profiles_for_role(RoleName="node")["InstanceProfiles"]
        return [one["InstanceProfileName"] for one in found]

    iam.add_role_to_instance_profile(**pair)
    [role] = iam.get_instance_profile(**node)["InstanceProfile"]["Roles"]
    ledger.equal("its role", role["AssumeRolePolicyDocument"], json.loads(EC2_TRUST))
    did("create")
    ledger.equal("of the role", for_role(), ["node"])
    did("list")
    ledger.refused(
        "a second role", "LimitExceeded", lambda: iam.add_role_to_instance_profile(**pair)
    )
    ledger.refused(
        "a profile keeps its role", "DeleteConflict", lambda: iam.delete_role(RoleName="node")
    )
    ledger.refused(
        "a role keeps its profile", "DeleteConflict", lambda: iam.delete_instance_profile(**node)
    )
    iam.remove_role_from_instance_profile(**pair)
    ledger.equal("of the role no more", for_role(), [])
    ledger.refused(
        "it holds no role any more",
        "NoSuchEntity",
        lambda: iam.remove_role_from_instance_profile(**pair),
    )
    did("delete")
