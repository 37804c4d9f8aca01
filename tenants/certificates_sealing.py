"""What the sealed private key of a certificate is bound to. Pure.

An imported key is bound to the fingerprint of its certificate. One that is made inside is sealed before there is a
certificate: it is bound to the public key, which the issued certificate must have.
"""


def key_context(*, made_inside: bool, fingerprint: bytes | None, public_key_hash: bytes) -> str:
    """The context of purpose `certificate-key`. Raises ValueError for an imported key without fingerprint."""
    if made_inside:
        return f"spki/{public_key_hash.hex()}"
    if fingerprint is None:
        raise ValueError("An imported key has a certificate.")
    return fingerprint.hex()
