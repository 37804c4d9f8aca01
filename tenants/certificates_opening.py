"""Opens what a beheerder uploads with a private key, in a process of its own that can be ended, and makes new keys.

However much work a file asks for, the event loop does none of it; the process is ended at its limit, and one tenant never
has more than one such work under way. Who comes when all places are taken is told to come again, as waiting would keep a
connection.
"""

import asyncio
import base64
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

import tenants
from tenants.certificates import PrivateKey
from tenants.certificates_opener import OUT_OF_MEMORY
from tenants.certificates_reading import CertificateRefused, Remark, Upload
from tenants.certificates_request import KeyKind, NewRequest, Subject, make_request

_ROOT: Final = Path(tenants.__file__).resolve().parent.parent
_KEPT: Final = ("PATH", "LD_LIBRARY_PATH", "LANG")
"""Of the environment: what a process needs to start. No setting, and so no secret, goes along."""
_TOO_HEAVY: Final = Remark(
    "bestandTeZwaar",
    "Het openen van dit bestand vraagt meer rekenwerk of geheugen dan hier gedaan wordt. Maak het opnieuw, met hoogstens "
    "600.000 ronden voor de sleutelafleiding.",
)


class OpeningBusy(Exception):
    """The tenant has such work under way, all places are taken, or the machine did not get round to it."""


@dataclass(slots=True)
class Opening:
    """The places for such work. `cpu_seconds`: what one file may cost; `patience`: seconds until it must have ended."""

    places: int = 2
    cpu_seconds: int = 5
    patience: float = 60.0
    _busy: set[int] = field(default_factory=set)

    async def open_pem(self, tenant_id: int, certificates: bytes, key: bytes, password: bytes | None) -> Upload:
        """Certificates and a private key in PEM. Raises CertificateRefused, OpeningBusy."""
        return await self._open(tenant_id, "pem", certificates, key, password)

    async def open_pkcs12(self, tenant_id: int, content: bytes, password: bytes | None) -> Upload:
        """A PKCS#12. Raises CertificateRefused, OpeningBusy."""
        return await self._open(tenant_id, "pkcs12", b"", content, password)

    async def make_request(self, tenant_id: int, kind: KeyKind, subject: Subject) -> NewRequest:
        """A new key with its request. Making an RSA key leaves the loop alone, so a thread does. Raises OpeningBusy."""
        with self._place(tenant_id):
            return await asyncio.to_thread(make_request, kind, subject)

    async def _open(self, tenant_id: int, kind: str, certificates: bytes, key: bytes, password: bytes | None) -> Upload:
        asked = {
            "kind": kind,
            "certificates": base64.b64encode(certificates).decode(),
            "key": base64.b64encode(key).decode(),
            "password": None if password is None else base64.b64encode(password).decode(),
        }
        with self._place(tenant_id):
            return _read(await self._run(json.dumps(asked).encode()))

    @contextmanager
    def _place(self, tenant_id: int) -> Iterator[None]:
        if tenant_id in self._busy or len(self._busy) >= self.places:
            raise OpeningBusy
        self._busy.add(tenant_id)
        try:
            yield
        finally:
            self._busy.discard(tenant_id)

    async def _run(self, asked: bytes) -> Mapping[str, Any]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tenants.certificates_opener", str(self.cpu_seconds), cwd=_ROOT,
            env=environment(),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            async with asyncio.timeout(self.patience):
                out, _ = await process.communicate(asked)
        except TimeoutError:
            raise OpeningBusy from None
        finally:
            # Also when nobody waits for the answer any more.
            if process.returncode is None:
                process.kill()
                await process.wait()
        status = process.returncode or 0
        if status < 0 or status == OUT_OF_MEMORY:
            # The kernel ended it at its limit: it is the file that asks too much.
            raise CertificateRefused([_TOO_HEAVY])
        if status:
            raise RuntimeError(f"The process that opens files ended with status {status}.")
        return cast("Mapping[str, Any]", json.loads(out))


def environment() -> dict[str, str]:
    """What the process gets of the environment."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ}


def _read(answered: Mapping[str, Any]) -> Upload:
    if "faults" in answered:
        raise CertificateRefused(Remark(code, text) for code, text in answered["faults"])
    found = tuple(x509.load_pem_x509_certificates(answered["certificates"].encode()))
    # That the numbers of an RSA key belong together was looked at in the other process.
    key = load_pem_private_key(answered["key"].encode(), None, unsafe_skip_rsa_key_validation=True)
    return Upload(found, cast("PrivateKey", key))
