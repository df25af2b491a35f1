"""Service Quotas: IAM's, which us-east-1 alone knows."""

from functools import partial

from .aws import paged

PROVIDERS = {"ServiceCode": "iam", "QuotaCode": "L-858F3967"}


def check(ledger, aws):
    quotas = aws.client("service-quotas", region_name="us-east-1")
    did = partial(ledger.did, "service-quotas", "quota")
    listed, sizes = paged(quotas, "list_service_quotas", "Quotas", ServiceCode="iam")
    found = {one["QuotaCode"]: one["Value"] for one in listed}
    ledger.equal("the quota of OIDC providers", found.get("L-858F3967"), 100)
    ledger.check("one a page", len(sizes) > 2 and set(sizes) == {1}, sizes)
    did("list", "pages")
    read = quotas.get_service_quota(**PROVIDERS)["Quota"]
    ledger.equal("a quota", (read["Value"], read["Adjustable"]), (100, True))
    did("read")
    asked = quotas.request_service_quota_increase(**PROVIDERS, DesiredValue=300)["RequestedQuota"]
    ledger.equal("an increase", (asked["DesiredValue"], asked["Status"]), (300, "APPROVED"))
    value = quotas.get_service_quota(**PROVIDERS)["Quota"]["Value"]
    ledger.equal("an increase holds at once", value, 300)
    ledger.did("service-quotas", "increase", "create")
    default = quotas.get_aws_default_service_quota(**PROVIDERS)["Quota"]["Value"]
    ledger.equal("the default stays", default, 100)
    listed, _ = paged(quotas, "list_aws_default_service_quotas", "Quotas", ServiceCode="iam")
    found = {one["QuotaCode"]: one["Value"] for one in listed}
    ledger.equal("in the list of defaults too", found.get("L-858F3967"), 100)
    ledger.did("service-quotas", "default-quota", "read")
    ledger.refused(
        "an unknown quota",
        "NoSuchResourceException",
        lambda: quotas.get_service_quota(ServiceCode="iam", QuotaCode="L-00000000"),
        400,
    )
