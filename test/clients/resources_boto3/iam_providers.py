"""IAM's OIDC providers."""

from functools import partial

ISSUER = "https://issuer.example/path"


def check(ledger, aws):
    iam = aws.client("iam")
    did = partial(ledger.did, "iam", "oidc-provider")
    arn = iam.create_open_id_connect_provider(Url=ISSUER, ClientIDList=["a"])
    arn = arn["OpenIDConnectProviderArn"]
    wanted = f"arn:aws:iam::{aws.account}:oidc-provider/issuer.example/path"
    ledger.equal("a provider's ARN", arn, wanted)
    did("create")
    of = {"OpenIDConnectProviderArn": arn}
    parts(ledger, iam, of)
    read = iam.get_open_id_connect_provider(**of)
    found = (read["Url"], read["ClientIDList"], read["ThumbprintList"])
    ledger.equal("a provider", found, (ISSUER.removeprefix("https://"), ["b"], ["a" * 40]))
    did("read")
    listed = iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    ledger.check("is listed", arn in [one["Arn"] for one in listed], listed)
    did("list")
    ledger.refused(
        "one issuer twice",
        "EntityAlreadyExists",
        lambda: iam.create_open_id_connect_provider(Url=ISSUER),
        409,
    )
    ledger.refused(
        "an issuer without TLS",
        "InvalidInput",
        lambda: iam.create_open_id_connect_provider(Url="http://issuer.example"),
    )
    iam.delete_open_id_connect_provider(**of)
    ledger.refused(
        "it is gone", "NoSuchEntity", lambda: iam.get_open_id_connect_provider(**of), 404
    )
    did("delete")


def parts(ledger, iam, of):
    """Its client ids, thumbprints and tags."""
    did = partial(ledger.did, "iam")

    def read(member):
        return iam.get_open_id_connect_provider(**of)[member]

    iam.add_client_id_to_open_id_connect_provider(**of, ClientID="b")
    ledger.equal("two client ids", read("ClientIDList"), ["a", "b"])
    did("oidc-provider-client-id", "create")
    iam.remove_client_id_from_open_id_connect_provider(**of, ClientID="a")
    ledger.equal("one client id", read("ClientIDList"), ["b"])
    did("oidc-provider-client-id", "delete")
    iam.update_open_id_connect_provider_thumbprint(**of, ThumbprintList=["a" * 40])
    ledger.equal("thumbprints", read("ThumbprintList"), ["a" * 40])
    did("oidc-provider-thumbprint", "update")
    wanted = [{"Key": "a", "Value": "b"}, {"Key": "c", "Value": ""}]
    iam.tag_open_id_connect_provider(**of, Tags=wanted)
    tags = iam.list_open_id_connect_provider_tags(**of)["Tags"]
    ledger.equal("a provider's tags", tags, wanted)
    did("oidc-provider-tags", "create", "list")
    iam.untag_open_id_connect_provider(**of, TagKeys=["c"])
    tags = iam.list_open_id_connect_provider_tags(**of)["Tags"]
    ledger.equal("a tag is gone", tags, wanted[:1])
    did("oidc-provider-tags", "delete")
