"""STS's sessions."""

from documents import statement, policy, trust
from kubernetes_api import KubernetesApi

AUDIENCE = "sts.amazonaws.com"


def check(ledger, aws):
    sts, iam = aws.client("sts"), aws.client("iam")
    who = sts.get_caller_identity()
    ledger.equal("the caller", who["Arn"], f"arn:aws:iam::{aws.account}:user/admin")
    ledger.did("sts", "caller-identity", "read")
    session = sts.get_session_token(DurationSeconds=900)["Credentials"]
    found = aws.client("sts", session).get_caller_identity()["Arn"]
    ledger.equal("a session of the same user", found, who["Arn"])
    ledger.did("sts", "user-session", "create")
    role_session(ledger, aws, iam, sts, who["Arn"])
    web_identity_session(ledger, aws, iam)


def role_session(ledger, aws, iam, sts, admin):
    role = iam.create_role(
        RoleName="assumed",
        AssumeRolePolicyDocument=trust({"AWS": admin}, "sts:AssumeRole", "sts:TagSession"),
    )["Role"]
    document = policy(statement("iam:GetRole"))
    iam.put_role_policy(RoleName="assumed", PolicyName="p", PolicyDocument=document)
    answer = sts.assume_role(
        RoleArn=role["Arn"], RoleSessionName="me", Tags=[{"Key": "team", "Value": "a"}]
    )
    arn = f"arn:aws:sts::{aws.account}:assumed-role/assumed/me"
    ledger.equal("whose session", answer["AssumedRoleUser"]["Arn"], arn)
    session = answer["Credentials"]
    ledger.equal("who it is", aws.client("sts", session).get_caller_identity()["Arn"], arn)
    own = aws.client("iam", session)
    ledger.equal("what it may", own.get_role(RoleName="assumed")["Role"]["Arn"], role["Arn"])
    ledger.refused("and may not", "AccessDenied", own.list_roles, 403)
    ledger.did("sts", "role-session", "create")
    iam.delete_role_policy(RoleName="assumed", PolicyName="p")
    iam.delete_role(RoleName="assumed")


def web_identity_session(ledger, aws, iam):
    eks = aws.client("eks")
    cluster = eks.list_clusters()["clusters"][0]
    issuer = eks.describe_cluster(name=cluster)["cluster"]["identity"]["oidc"]["issuer"]
    provider = iam.create_open_id_connect_provider(Url=issuer, ClientIDList=[AUDIENCE])
    provider = provider["OpenIDConnectProviderArn"]
    subject = "system:serviceaccount:resources:web"
    role = iam.create_role(
        RoleName="web",
        AssumeRolePolicyDocument=trust(
            {"Federated": provider},
            "sts:AssumeRoleWithWebIdentity",
            Condition={"StringEquals": {f"{issuer.removeprefix('https://')}:sub": subject}},
        ),
    )["Role"]
    kubernetes = KubernetesApi()
    kubernetes.create_service_account("resources", "web")
    token = kubernetes.create_token("resources", "web", AUDIENCE)
    answer = aws.client("sts").assume_role_with_web_identity(
        RoleArn=role["Arn"], RoleSessionName="me", WebIdentityToken=token
    )
    found = (answer["Provider"], answer["Audience"], answer["SubjectFromWebIdentityToken"])
    ledger.equal("whose token", found, (issuer, AUDIENCE, subject))
    arn = aws.client("sts", answer["Credentials"]).get_caller_identity()["Arn"]
    ledger.equal("who it is", arn, f"arn:aws:sts::{aws.account}:assumed-role/web/me")
    ledger.did("sts", "web-identity-session", "create")
    iam.delete_role(RoleName="web")
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=provider)
