"""What IAM's users and roles have alike: tags and a boundary."""

from functools import partial


def tags_and_boundary(ledger, aws, kind, name, boundary):
    """Both, of a `user` or `role` of that name; the boundary is taken away at the end."""
    did = partial(ledger.did, "iam")
    of = {f"{kind}_name": name}
    wanted = [{"Key": "team", "Value": "a"}, {"Key": "zone", "Value": "b"}]
    aws(f"iam tag-{kind}", **of, tags=wanted)
    found = aws.paged(f"iam {kind}-tags", "Tags", f"iam list-{kind}-tags", **of)
    ledger.equal("tags", found, wanted)
    did(f"{kind}-tags", "create", "list")
    aws(f"iam untag-{kind}", **of, tag_keys=["zone"])
    aws(f"iam put-{kind}-permissions-boundary", **of, permissions_boundary=boundary)
    read = aws(f"iam get-{kind}", **of)[kind.title()]
    ledger.equal("one tag is left", read["Tags"], wanted[:1])
    did(f"{kind}-tags", "delete")
    ledger.equal("a boundary", read["PermissionsBoundary"]["PermissionsBoundaryArn"], boundary)
    did(f"{kind}-boundary", "create", "read")
    aws(f"iam delete-{kind}-permissions-boundary", **of)
