"""Everything that resources.yaml lists, by boto3, one service after the other."""

from documents import EC2_TRUST, PODS_TRUST, policy, statement, trust
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
    iam_simulation,
    iam_users,
    kms,
    s3_buckets,
    s3_objects,
    s3_uploads,
    service_quotas,
    sts,
)
from .aws import Aws

EKS_ROLES = {
    "cluster": trust("eks.amazonaws.com"),
    "node": EC2_TRUST,
    "pods": PODS_TRUST,
    "fargate": trust("eks-fargate-pods.amazonaws.com"),
}


def check_iam(ledger, aws):
    iam = aws.client("iam")
    document = policy(statement("s3:Get*"))
    boundary = iam.create_policy(PolicyName="bound", PolicyDocument=document)["Policy"]["Arn"]
    iam_users.check(ledger, aws, boundary)
    iam_groups.check(ledger, aws)
    iam_holders.check(ledger, aws, boundary)
    iam_roles.check(ledger, aws, boundary)
    iam_policies.check(ledger, aws)
    iam_profiles.check(ledger, aws)
    iam_providers.check(ledger, aws)
    iam_account.check(ledger, aws)
    iam_simulation.check(ledger, aws, boundary)
    iam.delete_policy(PolicyArn=boundary)


def check_eks(ledger, aws):
    iam = aws.client("iam")
    roles = {}
    for name, document in EKS_ROLES.items():
        role = iam.create_role(RoleName=f"resources-{name}", AssumeRolePolicyDocument=document)
        roles[name] = role["Role"]["Arn"]
    [cluster] = aws.client("eks").list_clusters()["clusters"]
    eks_clusters.check(ledger, aws, roles)
    eks_access.check(ledger, aws, cluster, roles)
    eks_addons.check(ledger, aws, cluster, roles["pods"])
    eks_compute.check(ledger, aws, cluster, roles)
    eks_associations.check(ledger, aws, cluster, roles)


def check_s3(ledger, aws):
    s3_buckets.check(ledger, aws)
    s3_objects.check(ledger, aws)
    s3_uploads.check(ledger, aws)
    s3_buckets.delete(ledger, aws)


def main():
    ledger, aws = Ledger(), Aws()
    check_iam(ledger, aws)
    sts.check(ledger, aws)
    ec2.check(ledger, aws)
    check_eks(ledger, aws)
    service_quotas.check(ledger, aws)
    kms.check(ledger, aws)
    check_s3(ledger, aws)
    cloudtrail.check(ledger, aws)
    aws.check_watches(ledger)
    close(ledger)


main()
