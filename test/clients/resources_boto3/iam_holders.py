"""Inline and attached policies of roles, users and groups: the same operations for each."""

import json
from functools import partial

from documents import EC2_TRUST, policy, statement

from .aws import paged

FIRST = policy(statement("s3:GetObject"))
SECOND = policy(statement("s3:PutObject"))
# What resources.yaml has of them: groups' lists in pages are checked, and not in it.
INLINE_LIST = {"role": ("list", "pages"), "user": ("list", "pages"), "group": ("list",)}
ATTACHED_LIST = {"role": ("list", "pages"), "user": ("list",), "group": ("list",)}


def check(ledger, aws, boundary):
    iam = aws.client("iam")
    other = iam.create_policy(PolicyName="another", PolicyDocument=SECOND)["Policy"]["Arn"]
    iam.create_group(GroupName="holder")
    iam.create_user(UserName="holder")
    iam.create_role(RoleName="holder", AssumeRolePolicyDocument=EC2_TRUST)
    for kind in ("role", "user", "group"):
        call = partial(holder_call, iam, kind)
        inline(ledger, iam, kind, call)
        attached(ledger, iam, kind, call, (other, boundary))
        refusals(ledger, kind, call, boundary)
        for number in (0, 2):
            call("delete_{}_policy", PolicyName=f"p{number}")
        call("delete_{}")
    iam.delete_policy(PolicyArn=other)


def holder_call(iam, kind, operation, **more):
    return getattr(iam, operation.format(kind))(**name_of(kind), **more)


def name_of(kind):
    return {f"{kind.title()}Name": "holder"}


def inline(ledger, iam, kind, call):
    did = partial(ledger.did, "iam", f"{kind}-policy")
    put = "put_{}_policy"

    def read(name):
        return call("get_{}_policy", PolicyName=name)["PolicyDocument"]

    for number in range(3):
        call(put, PolicyName=f"p{number}", PolicyDocument=FIRST)
    listed, sizes = paged(iam, f"list_{kind}_policies", "PolicyNames", 2, **name_of(kind))
    ledger.equal(f"inline policies of a {kind}", (listed, sizes), (["p0", "p1", "p2"], [2, 1]))
    did("create", *INLINE_LIST[kind])
    ledger.equal(f"a {kind}'s policy as it was put", read("p0"), json.loads(FIRST))
    did("read")
    call(put, PolicyName="p0", PolicyDocument=SECOND)
    ledger.equal(f"a {kind}'s policy, put again", read("p0"), json.loads(SECOND))
    did("update")
    call("delete_{}_policy", PolicyName="p1")
    ledger.refused(f"a deleted policy of a {kind}", "NoSuchEntity", lambda: read("p1"), 404)
    did("delete")


def attached(ledger, iam, kind, call, arns):
    did = partial(ledger.did, "iam", f"{kind}-attachment")
    for arn in arns:
        call("attach_{}_policy", PolicyArn=arn)
    wanted = [{"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn} for arn in arns]
    listed, sizes = paged(
        iam, f"list_attached_{kind}_policies", "AttachedPolicies", **name_of(kind)
    )
    ledger.equal(f"attached to a {kind}", (listed, sizes), (wanted, [1, 1]))
    did("create", *ATTACHED_LIST[kind])
    ledger.refused(f"a {kind} with policies", "DeleteConflict", lambda: call("delete_{}"), 409)
    for arn in arns:
        call("detach_{}_policy", PolicyArn=arn)
    left = call("list_attached_{}_policies")["AttachedPolicies"]
    ledger.equal(f"detached from a {kind}", left, [])
    did("delete")


def refusals(ledger, kind, call, boundary):
    broken = {"PolicyName": "p9", "PolicyDocument": "{}"}
    for code, operation, more in (
        ("NoSuchEntity", "detach_{}_policy", {"PolicyArn": boundary}),
        ("NoSuchEntity", "attach_{}_policy", {"PolicyArn": boundary + "x"}),
        ("NoSuchEntity", "get_{}_policy", {"PolicyName": "p9"}),
        ("NoSuchEntity", "delete_{}_policy", {"PolicyName": "p9"}),
        ("MalformedPolicyDocument", "put_{}_policy", broken),
    ):
        ledger.refused(operation.format(kind), code, partial(call, operation, **more))
