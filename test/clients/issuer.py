"""An OIDC issuer of the test's own: its documents lie in a public S3 bucket of the sandbox, and
its tokens say whatever a check wants, since the keys are here."""

import base64
import hashlib
import hmac
import json
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def encode_number(number, length):
    return encode(number.to_bytes(length, "big"))


class Issuer:
    def __init__(self, url):
        self.url = url
        self.rsa = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.ec = ec.generate_private_key(ec.SECP256R1())

    def documents(self):
        """The discovery document and the keys, by their paths below the issuer's URL."""
        discovery = {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/keys.json",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
            "claims_supported": ["aud", "iat", "iss", "sub"],
        }
        rsa_numbers = self.rsa.public_key().public_numbers()
        ec_numbers = self.ec.public_key().public_numbers()
        keys = [
            {
                "kty": "RSA",
                "kid": "rsa-1",
                "alg": "RS256",
                "use": "sig",
                "n": encode_number(rsa_numbers.n, 256),
                "e": encode_number(rsa_numbers.e, 3),
            },
            {
                "kty": "EC",
                "kid": "ec-1",
                "alg": "ES256",
                "use": "sig",
                "crv": "P-256",
                "x": encode_number(ec_numbers.x, 32),
                "y": encode_number(ec_numbers.y, 32),
            },
        ]
        return {
            ".well-known/openid-configuration": json.dumps(discovery),
            "keys.json": json.dumps({"keys": keys}),
        }

    def public_pem(self):
        return self.rsa.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def claims(self, **changes):
        """Claims that are right; a change to None takes a claim away."""
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": "sts.amazonaws.com",
            "sub": "system:serviceaccount:prod:app",
            "iat": now - 60,
            "nbf": now - 60,
            "exp": now + 3600,
        }
        claims.update(changes)
        return {name: value for name, value in claims.items() if value is not None}

    def sign(self, claims, alg="RS256", kid=None):
        kid = kid or ("ec-1" if alg == "ES256" else "rsa-1")
        header = {"alg": alg, "kid": kid, "typ": "JWT"}
        signed = ".".join(encode(json.dumps(part).encode()) for part in (header, claims))
        return f"{signed}.{encode(self.signature(alg, signed.encode()))}"

    def signature(self, alg, signed):
        if alg == "ES256":
            r, s = utils.decode_dss_signature(self.ec.sign(signed, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        if alg == "HS256":
            # The mistake that this looks for: a verifier that takes the public key for a secret.
            return hmac.new(self.public_pem(), signed, hashlib.sha256).digest()
        if alg == "none":
            return b""
        if alg == "PS256":
            salted = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
            return self.rsa.sign(signed, salted, hashes.SHA256())
        return self.rsa.sign(signed, padding.PKCS1v15(), hashes.SHA256())


def with_claims(token, **changes):
    """A token whose claims were changed after it was signed."""
    header, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    claims.update(changes)
    return ".".join((header, encode(json.dumps(claims).encode()), signature))
