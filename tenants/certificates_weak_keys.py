"""Recognises public keys that are known to be weak. Pure.

Too short, an odd exponent, a modulus with a small factor, two primes that lie close together (Fermat's method finds
them: CVE-2022-26320), and the structure of the Infineon library (ROCA, CVE-2017-15361).
"""

from functools import lru_cache
from math import gcd, isqrt, prod
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa

CURVES: Final = frozenset({"secp256r1", "secp384r1", "secp521r1"})
LEAST_RSA: Final = 2048
MOST_RSA: Final = 16_384
"""Bits; of more OpenSSL uses no key, and looking for its weaknesses would take long."""
_LEAST_EXPONENT: Final = 65_537
_FERMAT_ROUNDS: Final = 100
_SMALL_PRIMES: Final = tuple(n for n in range(3, 1000, 2) if all(n % d for d in range(3, isqrt(n) + 1, 2)))
_SMALL: Final = 2 * prod(_SMALL_PRIMES)
_ROCA_PRIMES: Final = tuple(one for one in _SMALL_PRIMES if one <= 167)


def weakness_of(key: object) -> str | None:
    """What is wrong with a public key, in Dutch; None for a good one."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return None if key.curve.name in CURVES else f"De sleutel ligt op de kromme {key.curve.name}."
    if not isinstance(key, rsa.RSAPublicKey):
        return "De sleutel is geen RSA-sleutel en ligt niet op P-256, P-384 of P-521."
    if key.key_size < LEAST_RSA:
        return f"De RSA-sleutel heeft {key.key_size} bits; {LEAST_RSA} is het minste."
    if key.key_size > MOST_RSA:
        return f"De RSA-sleutel heeft {key.key_size} bits; {MOST_RSA} is het meeste."
    numbers = key.public_numbers()
    if numbers.e < _LEAST_EXPONENT or numbers.e % 2 == 0:
        return "De exponent van de RSA-sleutel is te klein of even."
    return _weakness_of_modulus(numbers.n)


@lru_cache(maxsize=256)
def _weakness_of_modulus(modulus: int) -> str | None:
    if gcd(modulus, _SMALL) != 1:
        return "De modulus van de RSA-sleutel heeft een kleine factor."
    if _primes_are_close(modulus):
        return "De priemgetallen van de RSA-sleutel liggen te dicht bij elkaar (CVE-2022-26320)."
    if all(modulus % prime in _powers(prime) for prime in _ROCA_PRIMES):
        return "De RSA-sleutel komt uit een zwakke generator (ROCA, CVE-2017-15361)."
    return None


def _primes_are_close(modulus: int) -> bool:
    root = isqrt(modulus)
    middle = root if root * root == modulus else root + 1
    for _ in range(_FERMAT_ROUNDS):
        rest = middle * middle - modulus
        if isqrt(rest) ** 2 == rest:
            return True
        middle += 1
    return False


@lru_cache(maxsize=64)
def _powers(prime: int) -> frozenset[int]:
    """The numbers that powers of 65537 leave modulo a prime."""
    found, one = set(), 1
    while one not in found:
        found.add(one)
        one = one * 65_537 % prime
    return frozenset(found)
