"""What the operator set up for judging certificates: PKIo anchors per environment, and the host names of the egress."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509


@dataclass(frozen=True, slots=True)
class Trust:
    """Without anchors no certificate is taken. `host_names` in lower case; none means that they are not compared."""

    anchors: Mapping[str, tuple[x509.Certificate, ...]] = field(default_factory=dict)
    host_names: tuple[str, ...] = ()


def read_trust(directory: Path | None, host_names: str) -> Trust:
    """Read `<environment>.pem` files of a directory. Raises OSError, ValueError with the name of a file that is none."""
    anchors = {}
    for file in [] if directory is None else sorted(directory.glob("*.pem")):
        try:
            anchors[file.stem] = tuple(x509.load_pem_x509_certificates(file.read_bytes()))
        except ValueError:
            raise ValueError(f"{file} holds no certificates in PEM.") from None
    if directory is not None and not anchors:
        raise ValueError(f"{directory} holds no <environment>.pem with trust anchors.")
    names = tuple(one.strip().lower() for one in host_names.split(",") if one.strip())
    return Trust(anchors, names)
