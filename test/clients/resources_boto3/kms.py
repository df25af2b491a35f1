"""KMS's keys that sign: their aliases and policies."""

import hashlib
import json
from functools import partial

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from documents import policy, statement

from .aws import paged

MESSAGE = b"header.payload"
GONE = "NotFoundException"


def check(ledger, aws):
    kms = aws.client("kms")
    did = partial(ledger.did, "kms", "key")
    how = {"KeyUsage": "SIGN_VERIFY", "Description": "signer"}
    made = kms.create_key(KeySpec="ECC_NIST_P256", **how)["KeyMetadata"]
    key = {"KeyId": made["KeyId"]}
    ledger.equal("a key", (made["KeySpec"], made["KeyState"]), ("ECC_NIST_P256", "Enabled"))
    did("create")
    other = kms.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["KeyMetadata"]
    listed, sizes = paged(kms, "list_keys", "Keys")
    found = {one["KeyId"] for one in listed}
    ledger.equal("keys", (found, sizes), ({made["KeyId"], other["KeyId"]}, [1, 1]))
    did("list", "pages")
    ledger.equal("the key", kms.describe_key(**key)["KeyMetadata"], made)
    did("read")
    aliases(ledger, kms, made["KeyId"], other["KeyId"])
    signatures(ledger, kms, key)
    policies(ledger, kms, key, aws.account)
    kms.disable_key(**key)
    state = kms.describe_key(**key)["KeyMetadata"]["KeyState"]
    ledger.equal("a key is disabled", state, "Disabled")
    ledger.refused(
        "a disabled key", "DisabledException", lambda: kms.get_public_key(**key), 400
    )
    kms.enable_key(**key)
    state = kms.describe_key(**key)["KeyMetadata"]["KeyState"]
    ledger.equal("and enabled", state, "Enabled")
    did("update")
    state = kms.schedule_key_deletion(**key, PendingWindowInDays=7)["KeyState"]
    ledger.equal("a key is to be deleted", state, "PendingDeletion")
    ledger.refused(
        "a key that is to be deleted",
        "KMSInvalidStateException",
        lambda: kms.get_public_key(**key),
        400,
    )
    did("delete")
    kms.cancel_key_deletion(**key)
    state = kms.describe_key(**key)["KeyMetadata"]["KeyState"]
    ledger.equal("what is kept stays disabled", state, "Disabled")


def aliases(ledger, kms, key, other):
    did = partial(ledger.did, "kms", "alias")

    def target(name):
        [one] = [one for one in kms.list_aliases()["Aliases"] if one["AliasName"] == name]
        return one["TargetKeyId"]

    for name in ("alias/moves", "alias/signer"):
        kms.create_alias(AliasName=name, TargetKeyId=key)
    ledger.equal("an alias is of the key", target("alias/moves"), key)
    did("create")
    listed, sizes = paged(kms, "list_aliases", "Aliases", KeyId=key)
    names = [one["AliasName"] for one in listed]
    ledger.equal("aliases", (names, sizes), (["alias/moves", "alias/signer"], [1, 1]))
    did("list", "pages")
    kms.update_alias(AliasName="alias/moves", TargetKeyId=other)
    ledger.equal("an alias is of another key", target("alias/moves"), other)
    did("update")
    kms.delete_alias(AliasName="alias/moves")
    ledger.refused(
        "an alias that is gone", GONE, lambda: kms.describe_key(KeyId="alias/moves"), 400
    )
    did("delete")


def signatures(ledger, kms, key):
    how = {"KeyId": "alias/signer", "SigningAlgorithm": "ECDSA_SHA_256"}
    digest = hashlib.sha256(MESSAGE).digest()
    signature = kms.sign(**how, Message=digest, MessageType="DIGEST")["Signature"]
    public = kms.get_public_key(**key)
    ledger.equal("the public key's spec", public["KeySpec"], "ECC_NIST_P256")
    # Raises where the signature is not the key's: another library than the sandbox's looks at both.
    loaded = serialization.load_der_public_key(public["PublicKey"])
    loaded.verify(signature, MESSAGE, ec.ECDSA(hashes.SHA256()))
    ledger.did("kms", "public-key", "read")
    verified = kms.verify(**how, Message=MESSAGE, MessageType="RAW", Signature=signature)
    ledger.equal("a digest's signature is the message's", verified["SignatureValid"], True)
    ledger.did("kms", "signature", "create", "read")
    ledger.refused(
        "another message",
        "KMSInvalidSignatureException",
        lambda: kms.verify(**how, Message=b"other", Signature=signature),
        400,
    )


def policies(ledger, kms, key, account):
    did = partial(ledger.did, "kms", "key-policy")
    root = {"Principal": {"AWS": f"arn:aws:iam::{account}:root"}}
    read = json.loads(kms.get_key_policy(**key)["Policy"])
    ledger.equal("whose key it is", read["Statement"][0]["Principal"], root["Principal"])
    did("read")
    document = policy(statement("kms:*", **root, Sid="Account"))
    kms.put_key_policy(**key, Policy=document)
    read = json.loads(kms.get_key_policy(**key)["Policy"])
    ledger.equal("another policy", read, json.loads(document))
    did("update")
