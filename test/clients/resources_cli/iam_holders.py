"""Inline and attached policies of roles, users and groups: the same commands for each."""

import json
from functools import partial

from documents import EC2_TRUST, policy, statement

FIRST = policy(statement("s3:GetObject"))
SECOND = policy(statement("s3:PutObject"))
READ_ONLY = "arn:aws:iam::aws:policy/IAMReadOnlyAccess"
# The lists that resources.yaml wants in pages.
PAGED = {"role": ("policy", "attachment"), "user": ("policy",), "group": ()}


def check(ledger, aws, boundary):
    aws("iam create-group", group_name="holder")
    aws("iam create-user", user_name="holder")
    aws("iam create-role", role_name="holder", assume_role_policy_document=EC2_TRUST)
    for kind in ("role", "user", "group"):
        inline(ledger, aws, kind)
        attached(ledger, aws, kind, (READ_ONLY, boundary))


def list_of(aws, kind, part, key, call):
    """What a holder has, in pages where the table wants them."""
    of = {f"{kind}_name": "holder"}
    if part in PAGED[kind]:
        return aws.paged(f"iam {kind}-{part}", key, call, **of)
    return aws(call, **of)[key]


def inline(ledger, aws, kind):
    did = partial(ledger.did, "iam", f"{kind}-policy")
    of = {f"{kind}_name": "holder"}
    names = ["one", "two"] if "policy" in PAGED[kind] else ["one"]
    for name in names:
        aws(f"iam put-{kind}-policy", **of, policy_name=name, policy_document=FIRST)
    found = list_of(aws, kind, "policy", "PolicyNames", f"iam list-{kind}-policies")
    ledger.equal("inline policies", found, names)
    did("create", "list")
    one = {**of, "policy_name": "one"}
    aws(f"iam put-{kind}-policy", **one, policy_document=SECOND)
    read = aws(f"iam get-{kind}-policy", **one)["PolicyDocument"]
    ledger.equal("a policy, put again", read, json.loads(SECOND))
    did("read", "update")
    aws(f"iam delete-{kind}-policy", **one)
    aws.refused("NoSuchEntity", f"iam get-{kind}-policy", **one)
    did("delete")


def attached(ledger, aws, kind, arns):
    did = partial(ledger.did, "iam", f"{kind}-attachment")
    of = {f"{kind}_name": "holder"}
    arns = arns if "attachment" in PAGED[kind] else arns[:1]
    for arn in arns:
        aws(f"iam attach-{kind}-policy", **of, policy_arn=arn)
    listing = f"iam list-attached-{kind}-policies"
    wanted = [{"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn} for arn in arns]
    found = list_of(aws, kind, "attachment", "AttachedPolicies", listing)
    ledger.equal("attached", sorted(found, key=str), sorted(wanted, key=str))
    did("create", "list")
    aws(f"iam detach-{kind}-policy", **of, policy_arn=arns[0])
    ledger.equal("detached", aws(listing, **of)["AttachedPolicies"], wanted[1:])
    did("delete")
