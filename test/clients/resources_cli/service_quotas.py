"""Service Quotas: IAM's, which us-east-1 alone knows."""

from functools import partial

HOME = {"service_code": "iam", "region": "us-east-1"}


def check(ledger, aws):
    did = partial(ledger.did, "service-quotas")
    of = {**HOME, "quota_code": "L-858F3967"}
    listing = "service-quotas list-service-quotas"
    listed = aws.paged("service-quotas quota", "Quotas", listing, 4, **HOME)
    found = {one["QuotaCode"]: one["Value"] for one in listed}
    ledger.equal("the quota of OIDC providers", found.get("L-858F3967"), 100)
    did("quota", "list")
    increase = "service-quotas request-service-quota-increase"
    asked = aws(increase, **of, desired_value="300")["RequestedQuota"]
    read = aws("service-quotas get-service-quota", **of)["Quota"]
    ledger.equal("an increase", (asked["DesiredValue"], read["Value"]), (300, 300))
    did("increase", "create")
    ledger.equal("one quota", read["QuotaCode"], "L-858F3967")
    did("quota", "read")
    default = aws("service-quotas get-aws-default-service-quota", **of)["Quota"]
    ledger.equal("the default stays", default["Value"], 100)
    did("default-quota", "read")
