"""IAM's OIDC providers: that of the sandbox's cluster."""

import base64
import json
from functools import partial

from kubernetes_api import KubernetesApi

from .sts import web_identity_session

AUDIENCE = "sts.amazonaws.com"
SUBJECT = "system:serviceaccount:resources:web"


def cluster_token():
    """A token of a service account, and who issued it."""
    kubernetes = KubernetesApi()
    kubernetes.create_service_account("resources", "web")
    token = kubernetes.create_token("resources", "web", AUDIENCE)
    claims = token.split(".")[1]
    decoded = base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4))
    return token, json.loads(decoded)["iss"]


def check(ledger, aws, account):
    did = partial(ledger.did, "iam")
    token, issuer = cluster_token()
    url = {"url": issuer, "client_id_list": [AUDIENCE]}
    arn = aws("iam create-open-id-connect-provider", **url)["OpenIDConnectProviderArn"]
    of = {"open_id_connect_provider_arn": arn}
    host = issuer.removeprefix("https://")
    wanted = f"arn:aws:iam::{account}:oidc-provider/{host}"
    ledger.equal("a provider's ARN", arn, wanted)
    did("oidc-provider", "create")
    listed = aws("iam list-open-id-connect-providers")["OpenIDConnectProviderList"]
    ledger.check("is listed", arn in [one["Arn"] for one in listed], listed)
    did("oidc-provider", "list")
    aws("iam add-client-id-to-open-id-connect-provider", **of, client_id="b")
    aws("iam update-open-id-connect-provider-thumbprint", **of, thumbprint_list=["a" * 40])
    tags = [{"Key": "team", "Value": "a"}, {"Key": "zone", "Value": "b"}]
    aws("iam tag-open-id-connect-provider", **of, tags=tags)
    read = aws("iam get-open-id-connect-provider", **of)
    ledger.equal("a provider", read["Url"], host)
    did("oidc-provider", "read")
    ledger.equal("two client ids", read["ClientIDList"], [AUDIENCE, "b"])
    did("oidc-provider-client-id", "create")
    ledger.equal("thumbprints", read["ThumbprintList"], ["a" * 40])
    did("oidc-provider-thumbprint", "update")
    listed = aws("iam list-open-id-connect-provider-tags", **of)["Tags"]
    ledger.equal("tags of a provider", listed, tags)
    did("oidc-provider-tags", "create", "list")
    aws("iam remove-client-id-from-open-id-connect-provider", **of, client_id="b")
    aws("iam untag-open-id-connect-provider", **of, tag_keys=["zone"])
    read = aws("iam get-open-id-connect-provider", **of)
    ledger.equal("one client id", read["ClientIDList"], [AUDIENCE])
    did("oidc-provider-client-id", "delete")
    ledger.equal("one tag", read["Tags"], tags[:1])
    did("oidc-provider-tags", "delete")
    web_identity_session(ledger, aws, account, arn, token, SUBJECT)
    aws("iam delete-open-id-connect-provider", **of)
    aws.refused("NoSuchEntity", "iam get-open-id-connect-provider", **of)
    did("oidc-provider", "delete")
