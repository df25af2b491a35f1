"""EKS's records as a boto3 user makes them: access entries and policies, add-ons, node groups,
Fargate profiles, updates, registered clusters; each created, read, listed with pages, updated and
deleted."""

import json
import time

import boto3
from checks import NO_RETRIES, Checks

VIEW = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"


def trust(service, *actions):
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": list(actions)}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def wait_for(read, wanted, seconds=20):
    """What `read` gives once it is what is wanted, or as it is when the time is up."""
    end = time.monotonic() + seconds
    found = read()
    while found != wanted and time.monotonic() < end:
        time.sleep(0.2)
        found = read()
    return found


def status_of(call, member, eks):
    """A record's status, or GONE."""
    try:
        return call()[member]["status"]
    except eks.exceptions.ResourceNotFoundException:
        return "GONE"


def listed(eks, operation, member, **arguments):
    """All of a list, one a page."""
    pages = eks.get_paginator(operation).paginate(PaginationConfig={"PageSize": 1}, **arguments)
    return [item for page in pages for item in page[member]]


def access_entries(checks, eks, cluster, role, other):
    at = {"clusterName": cluster, "principalArn": role}
    made = eks.create_access_entry(**at, kubernetesGroups=["readers"])["accessEntry"]
    checks.equal("an access entry is STANDARD", made["type"], "STANDARD")
    eks.create_access_entry(clusterName=cluster, principalArn=other, type="EC2_LINUX")
    entries = listed(eks, "list_access_entries", "accessEntries", clusterName=cluster)
    checks.check("entries are listed by pages", {role, other} <= set(entries), entries)
    eks.update_access_entry(**at, kubernetesGroups=["writers"])
    found = eks.describe_access_entry(**at)["accessEntry"]
    checks.equal("an entry is updated", found["kubernetesGroups"], ["writers"])
    policies = listed(eks, "list_access_policies", "accessPolicies")
    checks.check("access policies are listed", VIEW in [one["arn"] for one in policies], policies)
    scope = {"type": "namespace", "namespaces": ["apps"]}
    eks.associate_access_policy(**at, policyArn=VIEW, accessScope=scope)
    names = listed(eks, "list_associated_access_policies", "associatedAccessPolicies", **at)
    checks.equal("a policy is associated", [one["policyArn"] for one in names], [VIEW])
    eks.disassociate_access_policy(**at, policyArn=VIEW)
    checks.refused(
        "groups of the system",
        "InvalidParameterException",
        lambda: eks.update_access_entry(**at, kubernetesGroups=["system:masters"]),
        400,
    )
    for principal in (role, other):
        eks.delete_access_entry(clusterName=cluster, principalArn=principal)
    checks.refused(
        "an entry that is gone",
        "ResourceNotFoundException",
        lambda: eks.describe_access_entry(**at),
        404,
    )


def addons(checks, eks, cluster, role):
    at = {"clusterName": cluster, "addonName": "vpc-cni"}
    own = [{"serviceAccount": "aws-node", "roleArn": role}]
    made = eks.create_addon(**at, podIdentityAssociations=own)["addon"]
    checks.equal("an add-on is being created", made["status"], "CREATING")

    def status():
        return status_of(lambda: eks.describe_addon(**at), "addon", eks)

    checks.equal("then it is active", wait_for(status, "ACTIVE"), "ACTIVE")
    owned = listed(eks, "list_pod_identity_associations", "associations", clusterName=cluster)
    owners = [one.get("ownerArn") for one in owned]
    checks.check("its association is owned by it", made["addonArn"] in owners, owners)
    names = listed(eks, "list_addons", "addons", clusterName=cluster)
    checks.check("it is listed", "vpc-cni" in names, names)
    versions = listed(eks, "describe_addon_versions", "addons", addonName="vpc-cni")
    version = versions[0]["addonVersions"][0]["addonVersion"]
    shown = eks.describe_addon_configuration(addonName="vpc-cni", addonVersion=version)
    accounts = [one["serviceAccount"] for one in shown["podIdentityConfiguration"]]
    checks.equal("its service accounts are told", accounts, ["aws-node"])
    update = eks.update_addon(**at, podIdentityAssociations=[])["update"]
    told = eks.describe_update(name=cluster, addonName="vpc-cni", updateId=update["id"])["update"]
    checks.equal("it is updated", told["type"], "AddonUpdate")
    wait_for(status, "ACTIVE")
    eks.delete_addon(**at)
    checks.equal("it is deleted", wait_for(status, "GONE"), "GONE")


def compute(checks, eks, cluster, node, fargate):
    at = {"clusterName": cluster, "nodegroupName": "workers"}
    made = eks.create_nodegroup(**at, nodeRole=node, subnets=["subnet-1"])["nodegroup"]
    checks.equal("a node group is being created", made["status"], "CREATING")

    def group():
        return status_of(lambda: eks.describe_nodegroup(**at), "nodegroup", eks)

    checks.equal("then it is active", wait_for(group, "ACTIVE"), "ACTIVE")
    names = listed(eks, "list_nodegroups", "nodegroups", clusterName=cluster)
    checks.equal("node groups are listed", names, ["workers"])
    sizes = {"minSize": 1, "desiredSize": 3, "maxSize": 5}
    eks.update_nodegroup_config(**at, scalingConfig=sizes)
    found = eks.describe_nodegroup(**at)["nodegroup"]["scalingConfig"]
    checks.equal("a node group is scaled", found, sizes)
    wait_for(group, "ACTIVE")
    eks.delete_nodegroup(**at)
    checks.equal("a node group is deleted", wait_for(group, "GONE"), "GONE")
    at = {"clusterName": cluster, "fargateProfileName": "apps"}
    selectors = [{"namespace": "apps"}]
    eks.create_fargate_profile(**at, podExecutionRoleArn=fargate, selectors=selectors)

    def profile():
        return status_of(lambda: eks.describe_fargate_profile(**at), "fargateProfile", eks)

    checks.equal("a Fargate profile is active", wait_for(profile, "ACTIVE"), "ACTIVE")
    names = listed(eks, "list_fargate_profiles", "fargateProfileNames", clusterName=cluster)
    checks.equal("Fargate profiles are listed", names, ["apps"])
    eks.delete_fargate_profile(**at)
    checks.equal("a Fargate profile is deleted", wait_for(profile, "GONE"), "GONE")


def main():
    checks = Checks()
    eks = boto3.client("eks", config=NO_RETRIES)
    iam = boto3.client("iam", config=NO_RETRIES)
    cluster = eks.list_clusters()["clusters"][0]

    def role(name, service, *actions):
        document = trust(service, *(actions or ["sts:AssumeRole"]))
        made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)
        return made["Role"]["Arn"]

    node = role("records-node", "ec2.amazonaws.com")
    pods = role("records-pods", "pods.eks.amazonaws.com", "sts:AssumeRole", "sts:TagSession")
    fargate = role("records-fargate", "eks-fargate-pods.amazonaws.com")
    access_entries(checks, eks, cluster, pods, node)
    addons(checks, eks, cluster, pods)
    compute(checks, eks, cluster, node, fargate)
    connector = {"roleArn": pods, "provider": "OTHER"}
    registered = eks.register_cluster(name="elsewhere", connectorConfig=connector)["cluster"]
    checks.equal("a cluster is registered", registered["status"], "PENDING")
    eks.deregister_cluster(name="elsewhere")
    checks.check("and deregistered", "elsewhere" not in eks.list_clusters(include=["all"])["clusters"])
    checks.finish()


main()
