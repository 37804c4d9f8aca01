"""A file sealed to one recipient as CMS EnvelopedData (RFC 5652), as it is written: nothing of it stands on disk in the clear.

For what leaves the house opened: whoever has the private key of the recipient's certificate opens it with any openssl,

    openssl cms -decrypt -inform DER -in rows-000001.ndjson.cms -inkey key.pem -recip certificate.pem -out rows-000001.ndjson

AES-256 in CBC mode under a key of its own, that key under the recipient's RSA key (OAEP, SHA-256). It hides; that nothing was
exchanged is said by the digests of the manifest, which are those of the files in the clear. BER of indefinite length, so that
memory does not grow with the file. Refuses certificates that are no RSA of 2048 bits or more, or not valid today.
"""

import os
from datetime import UTC, datetime
from typing import IO, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import Encoding

SUFFIX: Final = ".cms"
_LEAST_BITS: Final = 2048
_END: Final = b"\x00\x00"
_ENVELOPED: Final = bytes.fromhex("06092a864886f70d010703")
_DATA: Final = bytes.fromhex("06092a864886f70d010701")
_AES256_CBC: Final = bytes.fromhex("060960864801650304012a")
_OAEP: Final = bytes.fromhex("06092a864886f70d010107")
_MGF1: Final = bytes.fromhex("06092a864886f70d010108")
_SHA256: Final = bytes.fromhex("300d06096086480165030402010500")


def read_recipient(pem: bytes, now: datetime | None = None) -> x509.Certificate:
    """The certificate that is sealed to. Raises ValueError for one that is none, ended, or holds no fit RSA key."""
    certificate = x509.load_pem_x509_certificate(pem)
    key, moment = certificate.public_key(), now or datetime.now(UTC)
    if not isinstance(key, RSAPublicKey) or key.key_size < _LEAST_BITS:
        raise ValueError(f"A recipient's certificate has an RSA key of {_LEAST_BITS} bits or more.")
    if not certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc:
        raise ValueError("The recipient's certificate is not valid today.")
    return certificate


def name_of(certificate: x509.Certificate) -> str:
    """By what the recipient knows its certificate: SHA-256 over it, in hex."""
    return certificate.fingerprint(SHA256()).hex()


class Envelope:
    """What is written to it stands in `stream` sealed. `close` ends it; without that it does not open."""

    def __init__(self, stream: IO[bytes], recipient: x509.Certificate) -> None:
        public_key = recipient.public_key()
        if not isinstance(public_key, RSAPublicKey):
            raise ValueError("A recipient's certificate has an RSA key.")  # noqa: TRY004 - a value of the right type
        key, start = os.urandom(32), os.urandom(16)
        wrapped = public_key.encrypt(key, OAEP(mgf=MGF1(SHA256()), algorithm=SHA256(), label=None))
        self._stream = stream
        self._cipher = Cipher(AES256(key), CBC(start)).encryptor()
        self._padder = PKCS7(128).padder()
        stream.write(_head(recipient, wrapped, start))

    def write(self, content: bytes) -> None:
        """Seal what comes next."""
        self._put(self._cipher.update(self._padder.update(content)))

    def close(self) -> None:
        """End the envelope; the stream stays open."""
        self._put(self._cipher.update(self._padder.finalize()) + self._cipher.finalize())
        # Of the content, its description, the enveloped data, their tag and the whole.
        self._stream.write(_END * 5)

    def _put(self, sealed: bytes) -> None:
        if sealed:
            self._stream.write(_der(0x04, sealed))


def _head(recipient: x509.Certificate, wrapped: bytes, start: bytes) -> bytes:
    """Everything before the content. Version 0: one recipient, named by issuer and serial number (RFC 5652, 6.1)."""
    named = _der(0x30, recipient.issuer.public_bytes() + _integer(recipient.serial_number))
    mask = _der(0x30, _MGF1 + _SHA256)
    algorithm = _der(0x30, _OAEP + _der(0x30, _der(0xA0, _SHA256) + _der(0xA1, mask)))
    transport = _der(0x30, _integer(0) + named + algorithm + _der(0x04, wrapped))
    content = _der(0x30, _AES256_CBC + _der(0x04, start))
    return b"".join((
        b"\x30\x80", _ENVELOPED, b"\xa0\x80", b"\x30\x80", _integer(0), _der(0x31, transport), b"\x30\x80", _DATA, content,
        b"\xa0\x80",
    ))  # fmt: skip


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


def _integer(value: int) -> bytes:
    return _der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def as_pem(certificate: x509.Certificate) -> str:
    """As a manifest names it."""
    return certificate.public_bytes(Encoding.PEM).decode()
