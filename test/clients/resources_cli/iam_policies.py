"""IAM's managed policies: their versions and tags, and who has them."""

import json
from functools import partial

from documents import policy, statement

FIRST = policy(statement("s3:*"))
SECOND = policy(statement("s3:Get*"))
KEPT = {"Key": "team", "Value": "a"}


def check(ledger, aws, account):
    did = partial(ledger.did, "iam", "policy")
    team = {"path": "/team/", "policy_document": FIRST}
    made = aws("iam create-policy", policy_name="readers", **team)["Policy"]
    of = {"policy_arn": made["Arn"]}
    ledger.equal("a policy's ARN", made["Arn"], f"arn:aws:iam::{account}:policy/team/readers")
    did("create")
    listed = aws.paged("iam policy", "Policies", "iam list-policies", scope="Local")
    ledger.equal("policies", [one["PolicyName"] for one in listed], ["bound", "readers"])
    did("list")
    tags(ledger, aws, of)
    versions(ledger, aws, of)
    read = aws("iam get-policy", **of)["Policy"]
    ledger.equal("a policy", read["PolicyId"], made["PolicyId"])
    did("read")
    ledger.equal("one tag is left", read["Tags"], [KEPT])
    ledger.did("iam", "policy-tags", "delete")
    ledger.equal("another default", read["DefaultVersionId"], "v2")
    ledger.did("iam", "policy-version", "update")
    aws("iam attach-user-policy", user_name="holder", **of)
    users = aws("iam list-entities-for-policy", **of)["PolicyUsers"]
    ledger.equal("who has it", [one["UserName"] for one in users], ["holder"])
    ledger.did("iam", "policy-entities", "list")
    aws("iam detach-user-policy", user_name="holder", **of)
    aws("iam delete-policy", **of)
    aws.refused("NoSuchEntity", "iam get-policy", **of)
    did("delete")


def tags(ledger, aws, of):
    aws("iam tag-policy", **of, tags=[KEPT, {"Key": "zone", "Value": "b"}])
    found = [one["Key"] for one in aws("iam list-policy-tags", **of)["Tags"]]
    ledger.equal("tags of a policy", found, ["team", "zone"])
    ledger.did("iam", "policy-tags", "create", "list")
    aws("iam untag-policy", **of, tag_keys=["zone"])


def versions(ledger, aws, of):
    did = partial(ledger.did, "iam", "policy-version")
    made = aws("iam create-policy-version", **of, policy_document=SECOND)["PolicyVersion"]
    ledger.equal("a version", (made["VersionId"], made["IsDefaultVersion"]), ("v2", False))
    did("create")
    listed = aws.paged("iam policy-version", "Versions", "iam list-policy-versions", **of)
    ledger.equal("the newest first", [one["VersionId"] for one in listed], ["v2", "v1"])
    did("list")
    read = aws("iam get-policy-version", **of, version_id="v2")["PolicyVersion"]
    ledger.equal("a version's document", read["Document"], json.loads(SECOND))
    did("read")
    aws("iam set-default-policy-version", **of, version_id="v2")
    aws("iam delete-policy-version", **of, version_id="v1")
    aws.refused("NoSuchEntity", "iam get-policy-version", **of, version_id="v1")
    did("delete")
