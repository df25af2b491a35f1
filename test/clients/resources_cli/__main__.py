"""Everything that resources.yaml lists, by the AWS CLI, in two lanes: IAM and STS, and all others.
Nearly all the time is the start of processes, which two cores do two of at once."""

import os
import sys
import tempfile
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

from documents import PODS_TRUST, policy, statement, trust
from ledger import Ledger, close

from . import (
    cloudtrail,
    ec2,
    eks_access,
    eks_addons,
    eks_associations,
    eks_clusters,
    eks_compute,
    iam_account,
    iam_groups,
    iam_holders,
    iam_policies,
    iam_profiles,
    iam_providers,
    iam_roles,
    iam_users,
    kms,
    s3_buckets,
    s3_objects,
    s3_uploads,
    service_quotas,
    sts,
)
from .cli import Cli

# Whom the roles of EKS trust; pods' own is one that access entries and associations have too.
EKS_SERVICES = ["eks.amazonaws.com", "ec2.amazonaws.com", "eks-fargate-pods.amazonaws.com"]
CLUSTER = {"cluster_name": "sandbox"}


def check_identity(ledger, aws, who):
    account = who["Account"]
    document = policy(statement("s3:Get*"))
    bound = aws("iam create-policy", policy_name="bound", policy_document=document)
    boundary = bound["Policy"]["Arn"]
    iam_users.check(ledger, aws, account, boundary)
    iam_holders.check(ledger, aws, boundary)
    iam_groups.check(ledger, aws)
    iam_roles.check(ledger, aws, account, boundary)
    iam_policies.check(ledger, aws, account)
    iam_profiles.check(ledger, aws)
    iam_providers.check(ledger, aws, account)
    iam_account.check(ledger, aws)
    sts.check(ledger, aws, who)


def check_others(ledger, aws, who):
    # Before EKS: each node of a cluster is an instance.
    ec2.check(ledger, aws)
    roles = {}
    for name, document in (("own", trust({"Service": EKS_SERVICES})), ("pods", PODS_TRUST)):
        named = {"role_name": f"resources-{name}", "assume_role_policy_document": document}
        roles[name] = aws("iam create-role", **named)["Role"]["Arn"]
    eks_clusters.check(ledger, aws, roles)
    eks_access.check(ledger, aws, CLUSTER, roles["pods"])
    eks_addons.check(ledger, aws, CLUSTER)
    eks_compute.check(ledger, aws, CLUSTER, roles["own"])
    eks_associations.check(ledger, aws, CLUSTER, roles["pods"])
    service_quotas.check(ledger, aws)
    with tempfile.TemporaryDirectory() as folder:
        kms.check(ledger, aws, who["Account"], folder)
        s3_buckets.check(ledger, aws, who["Account"])
        s3_objects.check(ledger, aws, folder)
        s3_uploads.check(ledger, aws, folder)
    s3_buckets.delete(ledger, aws)


def main():
    ledgers = [Ledger(), Ledger()]
    lanes = [Cli(ledger) for ledger in ledgers]
    who = lanes[0]("sts get-caller-identity")
    with ThreadPoolExecutor(2) as pool:
        done = [
            pool.submit(check, ledger, aws, who)
            for check, ledger, aws in zip((check_identity, check_others), ledgers, lanes)
        ]
        wait(done, return_when=FIRST_EXCEPTION)
        for one in done:
            if one.done() and one.exception() is not None:
                fail(one.exception())
    cloudtrail.check(ledgers[0], lanes[0], lanes)
    close(*ledgers)


def fail(error):
    """Ends the program at once: the other lane has another minute to go."""
    if not isinstance(error, SystemExit):
        sys.excepthook(type(error), error, error.__traceback__)
    sys.stdout.flush()
    os._exit(1)


main()
