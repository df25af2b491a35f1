"""EKS's clusters: their tags, updates and registrations."""

from functools import partial

from ledger import wait_for

GONE = "ResourceNotFoundException"


def check(ledger, aws, roles):
    did = partial(ledger.did, "eks", "cluster")
    at = {"name": "second"}
    network = {"subnetIds": ["subnet-1"]}
    made = aws(
        "eks create-cluster", **at, role_arn=roles["own"], resources_vpc_config=network
    )["cluster"]

    def status():
        return aws("eks describe-cluster", **at)["cluster"]["status"]

    ledger.equal("a cluster is active", wait_for(status, "ACTIVE"), "ACTIVE")
    did("create")
    names = aws.paged("eks cluster", "clusters", "eks list-clusters")
    ledger.equal("clusters", names, ["sandbox", "second"])
    did("list")
    of = {"resource_arn": made["arn"]}
    aws("eks tag-resource", **of, tags={"team": "a", "zone": "b"})
    tags = aws("eks list-tags-for-resource", **of)["tags"]
    ledger.equal("tags", tags, {"team": "a", "zone": "b"})
    ledger.did("eks", "cluster-tags", "create", "list")
    aws("eks untag-resource", **of, tag_keys=["zone"])
    change = {"upgrade_policy": {"supportType": "STANDARD"}}
    update = aws("eks update-cluster-config", **at, **change)["update"]
    read = aws("eks describe-update", **at, update_id=update["id"])["update"]
    ledger.equal("an update", read["type"], "UpgradePolicyUpdate")
    ledger.did("eks", "update", "read")
    ledger.equal("is listed", aws("eks list-updates", **at)["updateIds"], [update["id"]])
    ledger.did("eks", "update", "list")
    read = aws("eks describe-cluster", **at)["cluster"]
    found = (read["arn"], read["resourcesVpcConfig"]["subnetIds"])
    ledger.equal("a cluster", found, (made["arn"], ["subnet-1"]))
    did("read")
    ledger.equal("one tag", read["tags"], {"team": "a"})
    ledger.did("eks", "cluster-tags", "delete")
    ledger.equal("it is updated", read["upgradePolicy"], change["upgrade_policy"])
    did("update")
    aws("eks delete-cluster", **at)
    aws.refused(GONE, "eks describe-cluster", **at)
    did("delete")
    registration(ledger, aws, roles["pods"])


def registration(ledger, aws, role):
    did = partial(ledger.did, "eks", "registration")
    connector = {"roleArn": role, "provider": "OTHER"}
    made = aws("eks register-cluster", name="elsewhere", connector_config=connector)["cluster"]
    ledger.equal("a cluster is registered", made["status"], "PENDING")
    did("create")
    aws("eks deregister-cluster", name="elsewhere")
    aws.refused(GONE, "eks describe-cluster", name="elsewhere")
    did("delete")
