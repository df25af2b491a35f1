"""STS's sessions."""

import os

from documents import trust

from .cli import Cli


def check(ledger, aws, who):
    account = who["Account"]
    ledger.equal("the caller", who["Arn"], f"arn:aws:iam::{account}:user/admin")
    ledger.did("sts", "caller-identity", "read")
    key = os.environ["AWS_ACCESS_KEY_ID"]
    info = aws("sts get-access-key-info", access_key_id=key)
    ledger.equal("whose key", info["Account"], account)
    ledger.did("sts", "access-key-info", "read")
    document = trust({"AWS": who["Arn"]})
    role = aws("iam create-role", role_name="assumed", assume_role_policy_document=document)
    name = {"role_arn": role["Role"]["Arn"], "role_session_name": "me"}
    # Only the user may assume it: so its session is the user's.
    session = aws("sts get-session-token", duration_seconds="900")["Credentials"]
    session = Cli(ledger, session)("sts assume-role", **name)["Credentials"]
    wanted = f"arn:aws:sts::{account}:assumed-role/assumed/me"
    ledger.check("a session of the user", "SessionToken" in session, session)
    ledger.did("sts", "user-session", "create")
    ledger.equal("a session of the role", caller(ledger, session), wanted)
    ledger.did("sts", "role-session", "create")


def caller(ledger, credentials):
    return Cli(ledger, credentials)("sts get-caller-identity")["Arn"]


def web_identity_session(ledger, aws, account, provider, token, subject):
    """A session by a token of the cluster, whose issuer is the provider."""
    issuer = provider.partition(":oidc-provider/")[2]
    document = trust(
        {"Federated": provider},
        "sts:AssumeRoleWithWebIdentity",
        Condition={"StringEquals": {f"{issuer}:sub": subject}},
    )
    role = aws("iam create-role", role_name="web", assume_role_policy_document=document)
    answer = aws(
        "sts assume-role-with-web-identity",
        role_arn=role["Role"]["Arn"],
        role_session_name="me",
        web_identity_token=token,
    )
    ledger.equal("whose token", answer["SubjectFromWebIdentityToken"], subject)
    wanted = f"arn:aws:sts::{account}:assumed-role/web/me"
    ledger.equal("who it is", caller(ledger, answer["Credentials"]), wanted)
    ledger.did("sts", "web-identity-session", "create")
