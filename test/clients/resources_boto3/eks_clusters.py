"""EKS's clusters: their tags, updates and registrations."""

from functools import partial

from ledger import wait_for

from .aws import paged


def status_of(call, member, eks):
    """A record's status, or GONE."""
    try:
        return call()[member]["status"]
    except eks.exceptions.ResourceNotFoundException:
        return "GONE"


def check(ledger, aws, roles):
    eks = aws.client("eks")
    did = partial(ledger.did, "eks", "cluster")
    [first] = eks.list_clusters()["clusters"]
    made = eks.create_cluster(
        name="second", roleArn=roles["cluster"], resourcesVpcConfig={"subnetIds": ["subnet-1"]}
    )["cluster"]
    ledger.equal("a cluster is being created", made["status"], "CREATING")
    at = {"name": "second"}

    def status():
        return status_of(partial(eks.describe_cluster, **at), "cluster", eks)

    ledger.equal("then it is active", wait_for(status, "ACTIVE"), "ACTIVE")
    did("create")
    names, sizes = paged(eks, "list_clusters", "clusters")
    ledger.equal("clusters", (names, sizes), ([first, "second"], [1, 1]))
    did("list", "pages")
    read = eks.describe_cluster(**at)["cluster"]
    found = (read["arn"], read["roleArn"], read["resourcesVpcConfig"]["subnetIds"])
    ledger.equal("a cluster", found, (made["arn"], roles["cluster"], ["subnet-1"]))
    did("read")
    tags(ledger, eks, made["arn"])
    updates(ledger, eks, status, did)
    eks.delete_cluster(**at)
    ledger.equal("a cluster is deleted", wait_for(status, "GONE"), "GONE")
    ledger.equal("one is left", eks.list_clusters()["clusters"], [first])
    did("delete")
    ledger.refused(
        "no cluster to delete",
        "ResourceNotFoundException",
        lambda: eks.delete_cluster(**at),
        404,
    )
    registration(ledger, eks, roles["pods"])


def tags(ledger, eks, arn):
    did = partial(ledger.did, "eks", "cluster-tags")
    of = {"resourceArn": arn}
    eks.tag_resource(**of, tags={"team": "a", "stage": "b"})
    ledger.equal(
        "tags", eks.list_tags_for_resource(**of)["tags"], {"team": "a", "stage": "b"}
    )
    did("create", "list")
    eks.untag_resource(**of, tagKeys=["stage"])
    ledger.equal("one tag", eks.list_tags_for_resource(**of)["tags"], {"team": "a"})
    did("delete")


def updates(ledger, eks, status, did):
    at = {"name": "second"}
    update = eks.update_cluster_config(**at, deletionProtection=True)["update"]
    ledger.equal("an update", update["type"], "DeletionProtectionUpdate")
    read = eks.describe_update(**at, updateId=update["id"])["update"]
    ledger.equal("is told", (read["id"], read["type"]), (update["id"], update["type"]))
    ledger.did("eks", "update", "read")
    ledger.equal("is listed", eks.list_updates(**at)["updateIds"], [update["id"]])
    ledger.did("eks", "update", "list")
    ledger.equal("it is over", wait_for(status, "ACTIVE"), "ACTIVE")
    read = eks.describe_cluster(**at)["cluster"]["deletionProtection"]
    ledger.equal("protected", read, True)
    did("update")
    ledger.refused(
        "a protected cluster", "InvalidRequestException", lambda: eks.delete_cluster(**at), 400
    )
    eks.update_cluster_config(**at, deletionProtection=False)
    wait_for(status, "ACTIVE")
    version = eks.describe_cluster(**at)["cluster"]["version"]
    ledger.refused(
        "the version that it has",
        "InvalidParameterException",
        lambda: eks.update_cluster_version(**at, version=version),
        400,
    )
    major, minor = version.split(".")
    eks.update_cluster_version(**at, version=f"{major}.{int(minor) + 1}")
    wait_for(status, "ACTIVE")
    read = eks.describe_cluster(**at)["cluster"]["version"]
    ledger.equal("the next version", read, f"{major}.{int(minor) + 1}")


def registration(ledger, eks, role):
    did = partial(ledger.did, "eks", "registration")
    connector = {"roleArn": role, "provider": "OTHER"}
    registered = eks.register_cluster(name="elsewhere", connectorConfig=connector)["cluster"]
    ledger.equal("a cluster is registered", registered["status"], "PENDING")
    names = eks.list_clusters(include=["all"])["clusters"]
    ledger.check("it is listed", "elsewhere" in names, names)
    did("create")
    eks.deregister_cluster(name="elsewhere")
    names = eks.list_clusters(include=["all"])["clusters"]
    ledger.check("and deregistered", "elsewhere" not in names, names)
    did("delete")
