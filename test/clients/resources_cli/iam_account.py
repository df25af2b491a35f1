"""What IAM tells of a whole account, and its policy simulator."""

from documents import policy, statement


def check(ledger, aws):
    summary = aws("iam get-account-summary")["SummaryMap"]
    listing = "iam get-account-authorization-details"
    users = aws.paged("iam account-authorization", "UserDetailList", listing, filter=["User"])
    names = [one["UserName"] for one in users]
    ledger.check("details of all users", names[0] == "admin" and "holder" in names, names)
    ledger.did("iam", "account-authorization", "list")
    ledger.equal("users in the summary", summary["Users"], len(names))
    ledger.did("iam", "account", "read")
    document = policy(statement("s3:GetObject", "arn:aws:s3:::b/open/*"))
    results = aws(
        "iam simulate-custom-policy",
        policy_input_list=[document],
        action_names=["s3:GetObject", "s3:PutObject"],
        resource_arns=["arn:aws:s3:::b/open/a"],
    )["EvaluationResults"]
    found = [one["EvalDecision"] for one in results]
    ledger.equal("decisions", found, ["allowed", "implicitDeny"])
    ledger.did("iam", "simulation", "read")
