"""KMS's keys that sign: their aliases and policies."""

import base64
import json
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from documents import policy, statement

MESSAGE = "header.payload"


def check(ledger, aws, account, folder):
    did = partial(ledger.did, "kms", "key")
    spec = {"key_spec": "ECC_NIST_P256", "key_usage": "SIGN_VERIFY"}
    first, other = [aws("kms create-key", **spec)["KeyMetadata"]["KeyId"] for _ in range(2)]
    key = {"key_id": first}
    found = {one["KeyId"] for one in aws.paged("kms key", "Keys", "kms list-keys")}
    ledger.equal("keys", found, {first, other})
    did("create", "list")
    aliases(ledger, aws, first, other)
    signatures(ledger, aws, key, Path(folder))
    policies(ledger, aws, key, account)
    aws("kms disable-key", **key)
    read = aws("kms describe-key", **key)["KeyMetadata"]
    ledger.equal("a key", (read["KeyId"], read["KeySpec"]), (first, "ECC_NIST_P256"))
    did("read")
    ledger.equal("is disabled", read["KeyState"], "Disabled")
    did("update")
    aws("kms schedule-key-deletion", **key, pending_window_in_days="7")
    aws.refused("KMSInvalidStateException", "kms get-public-key", **key)
    did("delete")


def aliases(ledger, aws, first, other):
    did = partial(ledger.did, "kms", "alias")
    for name in ("alias/moves", "alias/signer"):
        aws("kms create-alias", alias_name=name, target_key_id=first)
    listed = aws.paged("kms alias", "Aliases", "kms list-aliases")
    found = {one["AliasName"]: one["TargetKeyId"] for one in listed}
    ledger.equal("aliases", found, {"alias/moves": first, "alias/signer": first})
    did("create", "list")
    aws("kms update-alias", alias_name="alias/moves", target_key_id=other)
    read = aws("kms describe-key", key_id="alias/moves")["KeyMetadata"]["KeyId"]
    ledger.equal("an alias of another key", read, other)
    did("update")
    aws("kms delete-alias", alias_name="alias/moves")
    aws.refused("NotFoundException", "kms describe-key", key_id="alias/moves")
    did("delete")


def signatures(ledger, aws, key, folder):
    how = {"signing_algorithm": "ECDSA_SHA_256", "message": MESSAGE}
    signed = aws("kms sign", key_id="alias/signer", **how)
    signature = base64.b64decode(signed["Signature"])
    public = aws("kms get-public-key", **key)
    # Raises where the signature is not the key's: another library than the sandbox's looks at both.
    loaded = serialization.load_der_public_key(base64.b64decode(public["PublicKey"]))
    loaded.verify(signature, MESSAGE.encode(), ec.ECDSA(hashes.SHA256()))
    ledger.equal("the public key's spec", public["KeySpec"], "ECC_NIST_P256")
    ledger.did("kms", "public-key", "read")
    kept = folder / "signature"
    kept.write_bytes(signature)
    verified = aws("kms verify", **key, **how, signature=f"fileb://{kept}")
    ledger.equal("a signature", verified["SignatureValid"], True)
    ledger.did("kms", "signature", "create", "read")


def policies(ledger, aws, key, account):
    did = partial(ledger.did, "kms", "key-policy")
    root = {"AWS": f"arn:aws:iam::{account}:root"}
    document = policy(statement("kms:*", Principal=root, Sid="Account"))
    aws("kms put-key-policy", **key, policy=document)
    read = json.loads(aws("kms get-key-policy", **key)["Policy"])
    ledger.equal("another policy", read, json.loads(document))
    did("read", "update")
