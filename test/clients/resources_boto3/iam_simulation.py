"""IAM's policy simulator."""

from documents import EC2_TRUST, policy, statement

DOCUMENT = policy(
    statement("s3:GetObject", "arn:aws:s3:::b/open/*"),
    statement("s3:*", "arn:aws:s3:::b/secret/*", "Deny"),
    statement("s3:PutObject", Condition={"StringEquals": {"aws:RequestTag/team": "a"}}),
)
TEAM = {
    "ContextKeyName": "aws:RequestTag/team",
    "ContextKeyType": "string",
    "ContextKeyValues": ["a"],
}


def check(ledger, aws, boundary):
    iam = aws.client("iam")
    custom(ledger, iam)
    of_principals(ledger, iam, aws.account, boundary)
    ledger.did("iam", "simulation", "read")


def custom(ledger, iam):
    def simulate(action, resource, **more):
        return iam.simulate_custom_policy(
            PolicyInputList=[DOCUMENT], ActionNames=[action], ResourceArns=[resource], **more
        )["EvaluationResults"][0]

    opened = simulate("s3:GetObject", "arn:aws:s3:::b/open/a")
    ledger.equal("an Allow", opened["EvalDecision"], "allowed")
    ledger.equal("by whom", opened["MatchedStatements"][0]["SourcePolicyId"], "PolicyInputList.1")
    start = opened["MatchedStatements"][0]["StartPosition"]
    ledger.equal("where it begins", DOCUMENT[start["Column"] - 1 :][:18], '{"Effect": "Allow"')
    secret = simulate("s3:GetObject", "arn:aws:s3:::b/secret/a")
    ledger.equal("a Deny", secret["EvalDecision"], "explicitDeny")
    other = simulate("s3:GetObject", "arn:aws:s3:::c/a")
    found = (other["EvalDecision"], other["MatchedStatements"])
    ledger.equal("neither", found, ("implicitDeny", []))
    missing = simulate("s3:PutObject", "arn:aws:s3:::b/a")
    ledger.equal("a missing key", missing["MissingContextValues"], ["aws:RequestTag/team"])
    given = simulate("s3:PutObject", "arn:aws:s3:::b/a", ContextEntries=[TEAM])
    found = (given["EvalDecision"], given["MissingContextValues"])
    ledger.equal("which is given", found, ("allowed", []))
    bounded = simulate(
        "s3:GetObject",
        "arn:aws:s3:::b/open/a",
        PermissionsBoundaryPolicyInputList=[policy(statement("ec2:*"))],
    )
    ledger.equal("beyond a boundary", bounded["EvalDecision"], "implicitDeny")
    detail = bounded["PermissionsBoundaryDecisionDetail"]
    ledger.equal("which says so", detail["AllowedByPermissionsBoundary"], False)
    keys = iam.get_context_keys_for_custom_policy(PolicyInputList=[DOCUMENT])["ContextKeyNames"]
    ledger.equal("keys of a policy", keys, ["aws:RequestTag/team"])
    ledger.refused(
        "a broken policy",
        "InvalidInput",
        lambda: iam.simulate_custom_policy(PolicyInputList=["{"], ActionNames=["s3:GetObject"]),
    )


def of_principals(ledger, iam, account, boundary):
    arn = f"arn:aws:iam::{account}:role/simulated"
    iam.create_role(
        RoleName="simulated", AssumeRolePolicyDocument=EC2_TRUST, PermissionsBoundary=boundary
    )
    iam.put_role_policy(RoleName="simulated", PolicyName="p", PolicyDocument=DOCUMENT)
    found, count = [], 0
    pages = iam.get_paginator("simulate_principal_policy").paginate(
        PolicySourceArn=arn,
        ActionNames=["s3:GetObject", "s3:PutObject", "iam:GetUser"],
        ResourceArns=["arn:aws:s3:::b/open/a"],
        PaginationConfig={"PageSize": 2},
    )
    for page in pages:
        found.extend(one["EvalDecision"] for one in page["EvaluationResults"])
        count += 1
    ledger.equal("of a role, in its boundary", found, ["allowed", "implicitDeny", "implicitDeny"])
    ledger.equal("in two pages", count, 2)
    keys = iam.get_context_keys_for_principal_policy(PolicySourceArn=arn)["ContextKeyNames"]
    ledger.equal("keys of a role", keys, ["aws:RequestTag/team"])
    admin = f"arn:aws:iam::{account}:user/admin"
    shared = policy(
        statement("s3:GetObject", "arn:aws:s3:::b/*", "Deny", Principal={"AWS": admin})
    )
    asked = {"ActionNames": ["s3:GetObject"], "ResourceArns": ["arn:aws:s3:::b/x"]}
    denied = iam.simulate_principal_policy(PolicySourceArn=admin, ResourcePolicy=shared, **asked)
    decision = denied["EvaluationResults"][0]["EvalDecision"]
    ledger.equal("a resource's policy", decision, "explicitDeny")
    for name, code, source, more in (
        ("a resource's policy without a user", "InvalidInput", arn, {"ResourcePolicy": shared}),
        ("a role as CallerArn", "InvalidInput", arn, {"CallerArn": arn}),
        ("nobody's policies", "NoSuchEntity", arn + "x", {}),
    ):
        ledger.refused(
            name,
            code,
            lambda source=source, more=more: iam.simulate_principal_policy(
                PolicySourceArn=source, **more, **asked
            ),
        )
    iam.delete_role_policy(RoleName="simulated", PolicyName="p")
    iam.delete_role(RoleName="simulated")
