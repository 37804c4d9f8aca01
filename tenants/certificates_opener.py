"""The process in which a file with a private key is opened, and nothing else. Started by `tenants.certificates_opening`.

Such a file says itself how many rounds its key is derived with, in layers that show only when the layer above is open. So
no look from the outside bounds the work, and the library lets nothing else run meanwhile. This process bounds it: by
processor time and memory, which the kernel ends it at. It has no environment, no connection and no secret but the file.

    in    {"kind": "pem" | "pkcs12", "certificates": base64, "key": base64, "password": base64 | null}
    out   {"certificates": PEM, "key": PEM}   or   {"faults": [[code, text], …]}
"""

import base64
import json
import os
import resource
import sys
from typing import Any, Final

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tenants.certificates_reading import CertificateRefused, Upload, read_pem_pair, read_pkcs12

OUT_OF_MEMORY: Final = 3
"""The exit status when there was no memory left for the file."""
_MEMORY: Final = 1 << 30


def bound(cpu_seconds: int) -> None:
    """From here on the kernel ends this process at that much work. A private key is never left in a dump."""
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(10)


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    """Open one file."""
    password = None if asked["password"] is None else base64.b64decode(asked["password"])
    key = base64.b64decode(asked["key"])
    try:
        if asked["kind"] == "pkcs12":
            return _opened(read_pkcs12(key, password))
        return _opened(read_pem_pair(base64.b64decode(asked["certificates"]), key, password))
    except CertificateRefused as refused:
        return {"faults": [[one.code, one.text] for one in refused.faults]}


def _opened(upload: Upload) -> dict[str, Any]:
    if upload.key is None:
        raise RuntimeError("What was opened has a key.")
    return {
        "certificates": "".join(one.public_bytes(Encoding.PEM).decode() for one in upload.certificates),
        "key": upload.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
    }


def main() -> None:
    """Read, open, answer."""
    bound(int(sys.argv[1]))
    try:
        json.dump(answer(json.load(sys.stdin)), sys.stdout)
    except MemoryError:
        sys.exit(OUT_OF_MEMORY)


if __name__ == "__main__":
    main()
