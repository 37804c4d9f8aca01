"""Timestamps over checkpoints (RFC 3161): that a checkpoint existed at a moment, said by an authority outside. Pure.

What is stamped is the whole note, as text in UTF-8, signatures included, by SHA-512. What is kept is the authority's whole
answer, with its certificates: years later it proves by itself, for whoever trusts the authority's root. Its certificates
need to have been valid at the moment that it names, not today. Raises BadTimestamp, whose text says what is wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from rfc3161_client import (
    HashAlgorithm,
    TimeStampRequest,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)


class BadTimestamp(Exception):
    """Not a timestamp over this checkpoint by an authority that is trusted here."""


@dataclass(frozen=True, slots=True)
class Stamped:
    """A timestamp and the note that it is about, as they are exported and delivered."""

    note: str
    token: bytes = field(repr=False)


def make_request(note: str) -> TimeStampRequest:
    """What the authority is asked: a digest and a number that nobody guesses, and nothing about the register."""
    builder = TimestampRequestBuilder().data(note.encode()).hash_algorithm(HashAlgorithm.SHA512)
    return builder.nonce(nonce=True).cert_request(cert_request=True).build()


def read_answer(answer: bytes, request: TimeStampRequest, note: str, roots: Sequence[x509.Certificate]) -> datetime:
    """The moment that an authority's answer to this request names. Raises BadTimestamp."""
    found = _read(answer)
    return _verified(found, VerifierBuilder.from_request(request), note, roots)


def open_timestamp(token: bytes, note: str, roots: Sequence[x509.Certificate]) -> datetime:
    """The moment that a kept timestamp over this note names. Raises BadTimestamp."""
    return _verified(_read(token), VerifierBuilder(), note, roots)


def read_roots(pem: bytes) -> tuple[x509.Certificate, ...]:
    """The roots of authorities, from PEM. Raises ValueError."""
    return tuple(x509.load_pem_x509_certificates(pem))


def _read(token: bytes) -> TimeStampResponse:
    try:
        return decode_timestamp_response(token)
    except ValueError:
        raise BadTimestamp("This is no answer of a timestamp authority.") from None


def _verified(
    found: TimeStampResponse, builder: VerifierBuilder, note: str, roots: Sequence[x509.Certificate]
) -> datetime:
    for root in roots:
        builder = builder.add_root_certificate(root)
    try:
        builder.build().verify_message(found, note.encode())
        stamped_at = found.tst_info.gen_time
    # The library has no one error for an answer without a token, or with certificates that cannot be read.
    except (VerificationError, ValueError) as error:
        raise BadTimestamp(f"This timestamp does not hold: {error}.") from None
    return stamped_at
