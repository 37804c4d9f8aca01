"""CPU of recognising a caller, by kind of proof: remembered, and seen for the first time. No database, no network."""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from gateway.issued import TokenMint, make_signing_keys, read_signing_keys
from tests.callers.standing import API_KEYS, CERTIFICATES, ISSUER, Standing, call
from tests.databases import Cluster

ROUNDS, CALLS = 7, 2_000
MOST_US = 150


async def measure_callers(_: Cluster) -> None:
    """Each kind by itself; a token of an IDP also with nothing remembered: signature, claims and registry anew."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "token.keys"
        path.write_text(make_signing_keys())
        standing = Standing(TokenMint(read_signing_keys(path), ISSUER))
    recognise, kept = standing.authenticator.authenticate, standing.tokens
    rs256, es256, own = (
        call(bearer=one) for one in (standing.idp_token(1), standing.idp_token(2), standing.own_token(1))
    )
    api_key, certificate = call(api_key=API_KEYS[1]), call(certificate=CERTIFICATES[1])
    both = call(api_key=API_KEYS[1], certificate=CERTIFICATES[1])

    def anew(bevraging: object) -> Callable[[], object]:
        def run() -> object:
            kept.forget()
            return recognise(bevraging)  # type: ignore[arg-type]

        return run

    figures: dict[str, Callable[[], object]] = {
        "api key": lambda: recognise(api_key),
        "certificate": lambda: recognise(certificate),
        "api key and certificate": lambda: recognise(both),
        "token of this gateway, remembered": lambda: recognise(own),
        "token of an IDP, remembered": lambda: recognise(rs256),
        f"token of an IDP, RS256, seen first (must be ≤ {MOST_US})": anew(rs256),
        "token of an IDP, ES256, seen first": anew(es256),
    }
    found: dict[str, list[float]] = {name: [] for name in figures}
    for _round in range(ROUNDS):
        for name, run in figures.items():
            begun = time.process_time()
            for _call in range(CALLS):
                run()
            found[name].append((time.process_time() - begun) / CALLS * 1e6)
    for name, those in found.items():
        print(f"callers: {name}: {statistics.median(those):.1f} µs ({min(those):.1f} at best)")
