"""Every wrong token is refused with the code that AWS's STS gives; the right ones are taken.

The codes are those of STS's API reference for AssumeRoleWithWebIdentity.
"""

import json
import os
import time

import boto3

from checks import NO_RETRIES, Checks
from issuer import Issuer, with_claims

BUCKET, STRANGER = "clients-issuer", "clients-stranger"
SUBJECT = "system:serviceaccount:prod:app"
WEB_IDENTITY = "sts:AssumeRoleWithWebIdentity"
TAGS = {"principal_tags": {"team": ["red"]}, "transitive_tag_keys": ["team"]}


class Account:
    """The sandbox's account, as its administrator sees it."""

    def __init__(self):
        self.region = os.environ["AWS_REGION"]
        session = boto3.Session(region_name=self.region)
        self.iam = session.client("iam")
        self.s3 = session.client("s3")
        self.id = session.client("sts").get_caller_identity()["Account"]

    def publish(self, bucket):
        """An issuer whose documents anybody may read."""
        where = (
            {}
            if self.region == "us-east-1"
            else {"CreateBucketConfiguration": {"LocationConstraint": self.region}}
        )
        self.s3.create_bucket(Bucket=bucket, **where)
        # New buckets refuse public policies until their owner says otherwise.
        self.s3.delete_public_access_block(Bucket=bucket)
        self.s3.put_bucket_policy(
            Bucket=bucket,
            Policy=json.dumps(
                {
                    "Version": "2012-10-17",
                    "Statement": {
                        "Effect": "Allow",
                        "Principal": "*",
                        "Action": "s3:GetObject",
                        "Resource": f"arn:aws:s3:::{bucket}/*",
                    },
                }
            ),
        )
        issuer = Issuer(f"https://s3.{self.region}.amazonaws.com/{bucket}")
        for key, text in issuer.documents().items():
            self.s3.put_object(
                Bucket=bucket, Key=key, Body=text.encode(), ContentType="application/json"
            )
        return issuer

    def create_provider(self, issuer, *audiences):
        self.iam.create_open_id_connect_provider(Url=issuer.url, ClientIDList=list(audiences))

    def create_role(self, name, issuer, condition, actions=(WEB_IDENTITY,)):
        host = issuer.url.removeprefix("https://")
        keys = json.loads(json.dumps(condition).replace("ISSUER", host))
        trust = {
            "Version": "2012-10-17",
            "Statement": {
                "Effect": "Allow",
                "Principal": {"Federated": f"arn:aws:iam::{self.id}:oidc-provider/{host}"},
                "Action": list(actions),
                "Condition": keys,
            },
        }
        role = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
        return role["Role"]["Arn"]


def main():
    checks = Checks()
    account = Account()
    issuer = account.publish(BUCKET)
    account.create_provider(issuer, "sts.amazonaws.com", "another-client")
    aud = {"ISSUER:aud": "sts.amazonaws.com"}
    roles = {
        "exact": account.create_role(
            "tokens-exact", issuer, {"StringEquals": {**aud, "ISSUER:sub": SUBJECT}}
        ),
        "like": account.create_role(
            "tokens-like",
            issuer,
            {"StringEquals": aud, "StringLike": {"ISSUER:sub": "system:serviceaccount:prod:*"}},
        ),
        "star": account.create_role(
            "tokens-star",
            issuer,
            {"StringEquals": {**aud, "ISSUER:sub": "system:serviceaccount:prod:*"}},
        ),
        "tagging": account.create_role(
            "tokens-tagging",
            issuer,
            {"StringEquals": {**aud, "aws:RequestTag/team": "red"}},
            (WEB_IDENTITY, "sts:TagSession"),
        ),
    }
    sts = boto3.client("sts", config=NO_RETRIES)

    def assume(token, role="exact"):
        return lambda: sts.assume_role_with_web_identity(
            RoleArn=roles[role], RoleSessionName="tokens", WebIdentityToken=token
        )

    for alg in ("RS256", "ES256"):
        checks.allowed(f"a right token, {alg}", assume(issuer.sign(issuer.claims(), alg)))
    check_subjects(checks, issuer, assume)
    check_signatures(checks, issuer, assume)
    check_times(checks, issuer, assume)
    check_audiences(checks, issuer, assume)
    check_other_issuers(checks, account, issuer, assume)
    check_missing_claims(checks, issuer, assume)
    check_tags(checks, issuer, assume)
    check_roles(checks, issuer, assume, roles)
    checks.finish()


def check_subjects(checks, issuer, assume):
    stranger = issuer.sign(issuer.claims(sub="system:serviceaccount:dev:app"))
    checks.refused("another subject, StringEquals", "AccessDenied", assume(stranger), 403)
    checks.refused("another subject, StringLike", "AccessDenied", assume(stranger, "like"), 403)
    checks.allowed(
        "a subject that StringLike covers",
        assume(issuer.sign(issuer.claims(sub="system:serviceaccount:prod:other")), "like"),
    )
    checks.refused(
        "a star under StringEquals is a star",
        "AccessDenied",
        assume(issuer.sign(issuer.claims()), "star"),
        403,
    )
    checks.refused(
        "a subject in another case",
        "AccessDenied",
        assume(issuer.sign(issuer.claims(sub=SUBJECT.upper()))),
        403,
    )


def check_signatures(checks, issuer, assume):
    right = issuer.sign(issuer.claims())
    header, payload, signature = right.split(".")
    first = "A" if signature[0] != "A" else "B"
    other = Issuer(issuer.url)
    for name, token in (
        ("a kid that is not in the key set", issuer.sign(issuer.claims(), kid="rsa-2")),
        ("a key of the other type", issuer.sign(issuer.claims(), "RS256", kid="ec-1")),
        ("an altered payload", with_claims(right, sub="system:serviceaccount:prod:root")),
        ("an altered signature", f"{header}.{payload}.{first}{signature[1:]}"),
        ("no signature", f"{header}.{payload}."),
        ("alg none", issuer.sign(issuer.claims(), "none")),
        ("HS256 with the public key for a secret", issuer.sign(issuer.claims(), "HS256")),
        ("PS256, which STS does not take", issuer.sign(issuer.claims(), "PS256")),
        ("another key under a right kid", other.sign(issuer.claims())),
        ("no token at all", "not.a.token"),
    ):
        checks.refused(name, "InvalidIdentityToken", assume(token), 400)


def check_times(checks, issuer, assume):
    now = int(time.time())
    past = {"iat": now - 7200, "nbf": now - 7200}
    checks.refused(
        "expired 6 minutes ago",
        "ExpiredTokenException",
        assume(issuer.sign(issuer.claims(**past, exp=now - 360))),
        400,
    )
    checks.allowed(
        "expired 4 minutes ago, which STS takes",
        assume(issuer.sign(issuer.claims(**past, exp=now - 240))),
    )
    checks.refused(
        "valid in an hour",
        "InvalidIdentityToken",
        assume(issuer.sign(issuer.claims(nbf=now + 3600, exp=now + 7200))),
        400,
    )


def check_audiences(checks, issuer, assume):
    wrong = "InvalidIdentityToken"
    both = ["sts.amazonaws.com", "another-client"]
    checks.refused(
        "an audience that the provider does not know",
        wrong,
        assume(issuer.sign(issuer.claims(aud="vault"))),
        400,
    )
    checks.refused(
        "an audience that the provider knows and the role does not trust",
        "AccessDenied",
        assume(issuer.sign(issuer.claims(aud="another-client"))),
        403,
    )
    checks.allowed(
        "an audience in an array", assume(issuer.sign(issuer.claims(aud=["sts.amazonaws.com"])))
    )
    checks.refused(
        "two audiences without azp", wrong, assume(issuer.sign(issuer.claims(aud=both))), 400
    )
    checks.allowed(
        "two audiences with azp",
        assume(issuer.sign(issuer.claims(aud=both, azp="sts.amazonaws.com"))),
    )
    checks.refused(
        "an azp that the provider does not know",
        wrong,
        assume(issuer.sign(issuer.claims(azp="vault"))),
        400,
    )


def check_other_issuers(checks, account, issuer, assume):
    stranger = Issuer(f"https://s3.{account.region}.amazonaws.com/clients-nobody")
    checks.refused(
        "an issuer that is no provider of the account",
        "InvalidIdentityToken",
        assume(stranger.sign(stranger.claims())),
        400,
    )
    other = account.publish(STRANGER)
    account.create_provider(other, "sts.amazonaws.com")
    checks.refused(
        "a provider that the role does not trust",
        "AccessDenied",
        assume(other.sign(other.claims())),
        403,
    )
    checks.refused(
        "a right issuer, signed by another provider",
        "InvalidIdentityToken",
        assume(other.sign(issuer.claims())),
        400,
    )
    checks.refused(
        "an issuer with a slash at its end",
        "InvalidIdentityToken",
        assume(issuer.sign(issuer.claims(iss=f"{issuer.url}/"))),
        400,
    )


def check_missing_claims(checks, issuer, assume):
    for claim in ("iss", "aud", "sub", "iat", "exp"):
        token = issuer.sign(issuer.claims(**{claim: None}))
        checks.refused(f"no {claim}", "InvalidIdentityToken", assume(token), 400)


def check_tags(checks, issuer, assume):
    tagged = issuer.sign(issuer.claims(**{"https://aws.amazon.com/tags": TAGS}))
    checks.refused("tags without sts:TagSession", "AccessDenied", assume(tagged), 403)
    checks.allowed("tags with sts:TagSession", assume(tagged, "tagging"))
    checks.refused(
        "no tags where the trust policy wants one",
        "AccessDenied",
        assume(issuer.sign(issuer.claims()), "tagging"),
        403,
    )


def check_roles(checks, issuer, assume, roles):
    def of(role):
        return issuer.sign(issuer.claims(**{"https://aws.amazon.com/roles": [roles[role]]}))

    checks.allowed("a roles claim that names the role", assume(of("exact")))
    checks.refused(
        "a roles claim that names another", "InvalidIdentityToken", assume(of("like")), 400
    )


main()
