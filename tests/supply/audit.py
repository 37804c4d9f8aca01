"""`make audit`: asks OSV, by pip-audit, for known vulnerabilities of what requirements.lock pins.

Who cannot reach OSV gets a message and no failure: being offline is no vulnerability.
"""

import json
import socket
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

HERE: Final = Path(__file__).resolve().parent
LOCK: Final = HERE.parents[1] / "requirements.lock"
OSV: Final = "https://api.osv.dev/v1/query"


class Unreachable(Exception):
    """The data of vulnerabilities cannot be had from here."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """A vulnerability that is lived with, why, and until when."""

    package: str
    reason: str
    until: date


def read_allowed(text: str) -> dict[str, Allowed]:
    """The list. Raises TypeError or ValueError for an entry that does not say everything."""
    made = {}
    for name, one in tomllib.loads(text).items():
        entry = Allowed(**one)
        if not isinstance(entry.until, date) or len(entry.reason) < 30:
            raise ValueError(f"{name} needs a date and a reason that explains")
        made[name] = entry
    return made


def judge(report: dict[str, Any], allowed: dict[str, Allowed], today: date) -> list[str]:
    """What is wrong, in words: each vulnerability that is not allowed, or not any more, and each allowance without use."""
    faults, used = [], set()
    for package in report["dependencies"]:
        if "skip_reason" in package:
            faults.append(f"{package['name']}: not audited: {package['skip_reason']}")
        for found in package.get("vulns", ()):
            names = {found["id"], *found.get("aliases", ())}
            entries = {name: allowed[name] for name in names & set(allowed) if allowed[name].package == package["name"]}
            used |= set(entries)
            if not any(entry.until >= today for entry in entries.values()):
                mended = ", ".join(found.get("fix_versions", ())) or "no version yet"
                faults.append(f"{package['name']} {package['version']}: {found['id']}; mended in {mended}")
    faults += [f"{name} is allowed and no longer found: take it out" for name in sorted(set(allowed) - used)]
    return faults


def report_of(lock: Path, osv_url: str = OSV) -> dict[str, Any]:
    """What pip-audit finds. Raises Unreachable."""
    address = urlsplit(osv_url)
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        socket.create_connection((address.hostname or "", port), timeout=5).close()
    except OSError as error:
        raise Unreachable(f"{address.hostname} cannot be reached ({error}); nothing was audited") from None
    done = subprocess.run(
        [
            sys.executable, "-m", "pip_audit", "--requirement", lock, "--disable-pip", "--require-hashes", "--format", "json",
            "--progress-spinner", "off", "--vulnerability-service", "osv", "--osv-url", osv_url, "--timeout", "20",
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if not done.stdout.startswith("{"):
        last = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
        raise Unreachable(f"pip-audit gave no report ({last}); nothing was audited")
    made: dict[str, Any] = json.loads(done.stdout)
    return made


def main() -> None:
    """Print what is wrong and end with 1, or say that nothing is."""
    try:
        report = report_of(LOCK)
    except Unreachable as error:
        print(error, file=sys.stderr)
        return
    faults = judge(report, read_allowed((HERE / "allowed.toml").read_text()), datetime.now(UTC).date())
    if faults:
        sys.exit("\n".join(faults))
    print(f"{len(report['dependencies'])} packages, no known vulnerability")


if __name__ == "__main__":
    main()
