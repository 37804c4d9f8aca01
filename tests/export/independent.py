"""A second reader of exports, written from docs/register-format.md alone: json, hashlib and base64, nothing of the product.

It stands for another supplier that imports a register: it checks everything that the document says can be checked.
"""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

OPENING = [
    "form",
    "tenant_id",
    "id",
    "writer_id",
    "number",
    "opened_at",
    "aansluiting_id",
    "aansluiting_version",
    "machtiging_id",
    "machtiging_version",
    "mandate_id",
    "mandate_version",
    "taaksysteem_tenant_id",
    "taaksysteem_id",
    "taaksysteem_version",
    "acting_oin",
    "afnemer_id",
    "organisation_oin",
    "certificate_oin",
    "fingerprint",
    "doelbinding",
    "grondslag",
    "ontvanger",
    "verwerkingsactiviteit",
    "refusal",
    "api",
    "operation",
    "question_type",
    "zoekrubrieken",
    "rubrieken",
    "trace_id",
    "user_index",
    "data_key_id",
    "sealed_sha256",
]
CLOSING = [
    "form",
    "tenant_id",
    "id",
    "writer_id",
    "number",
    "closed_at",
    "opening_hash",
    "outcome",
    "status",
    "code",
    "persons",
    "unidentified",
    "question_bytes",
    "answer_bytes",
    "token_us",
    "upstream_us",
    "total_us",
    "persons_sha256",
    "data_key_id",
    "sealed_sha256",
]
WIJZIGING = ["form", "tenant_id", "number", "at", "actor", "action", "object", "before", "after"]
FIELDS = {"opening": OPENING, "closing": CLOSING, "wijziging": WIJZIGING}


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def canonical(values: list[Any]) -> bytes:
    return json.dumps(values, ensure_ascii=False, separators=(", ", ": ")).encode()


def root_of(hashes: list[bytes]) -> bytes:
    """RFC 6962, 2.1, over hashes of leaves."""
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return sha256(b"\x01" + root_of(hashes[:k]) + root_of(hashes[k:]))


def root_over(subtrees: list[tuple[int, bytes]]) -> bytes:
    """Of perfect subtrees side by side, (size, hash) each, as the document describes: merge equals, then fold."""
    stack: list[tuple[int, bytes]] = []
    for size, hash_ in subtrees:
        now_size, now = size, hash_
        while stack and stack[-1][0] == now_size:
            left_size, left = stack.pop()
            now_size, now = left_size + now_size, sha256(b"\x01" + left + now)
        stack.append((now_size, now))
    _, found = stack.pop()
    while stack:
        found = sha256(b"\x01" + stack.pop()[1] + found)
    return found


def sizes_before(first: int) -> list[int]:
    """The perfect subtrees over the leaves before `first`: the ones of its binary form, largest first."""
    return [1 << bit for bit in reversed(range(first.bit_length())) if first >> bit & 1]


def sizes_after(until: int, size: int) -> list[int]:
    """The perfect subtrees over the leaves from `until` on: each as large as its place and what is left allow."""
    sizes, at = [], until
    while at < size:
        step = 1
        while at % (step * 2) == 0 and at + step * 2 <= size:
            step *= 2
        sizes.append(step)
        at += step
    return sizes


def read_export(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Import an export; every assertion is something that the document promises."""
    manifest = json.loads((path / "manifest.json").read_text())
    assert manifest["format"] == "koppelpunt-register/1"
    rows: list[dict[str, Any]] = []
    for file in manifest["files"]:
        data = (path / file["name"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file["bytes"], file["sha256"])
        assert data.count(b"\n") == file["lines"]
        if file["name"].startswith("rows-"):
            rows += [json.loads(line) for line in data.splitlines()]
    proof = manifest["proof"]
    assert [row["leaf"] for row in rows] == list(range(proof["first"], proof["until"]))
    leaves = [leaf_of(row) for row in rows]
    origin, size, root = proof["checkpoint"].split("\n")[:3]
    assert origin.endswith("/" + manifest["oin"])
    before = list(zip(sizes_before(proof["first"]), map(bytes.fromhex, proof["before"]), strict=True))
    after = list(zip(sizes_after(proof["until"], int(size)), map(bytes.fromhex, proof["after"]), strict=True))
    assert root_over([*before, *((1, leaf) for leaf in leaves), *after]) == base64.b64decode(root)
    if proof["first"] == 0:
        for note in manifest["checkpoints"]:
            _, past, past_root = note.split("\n")[:3]
            assert root_of(leaves[: int(past)]) == base64.b64decode(past_root)
    return manifest, rows


def leaf_of(line: dict[str, Any]) -> bytes:
    """Check one line by itself; return the hash of its leaf."""
    row, kind = line["row"], line["kind"]
    if row is None:
        return bytes.fromhex(line["leaf_hash"])
    assert sorted(row) == sorted(FIELDS[kind])
    hash_ = hashlib.sha256(canonical([row[name] for name in FIELDS[kind]])).hexdigest()
    assert hash_ == line["hash"]
    if kind == "wijziging":
        number = row["number"]
    else:
        number = row["id"]
        assert hashlib.sha256(base64.b64decode(line["sealed"])).hexdigest() == row["sealed_sha256"]
    if kind == "closing":
        persons = sorted(line["persons"], key=str.encode)
        assert row["persons_sha256"] == (hashlib.sha256(canonical(persons)).hexdigest() if persons else None)
    leaf = sha256(f"\0{kind}:{number}:{hash_}".encode())
    assert leaf.hex() == line["leaf_hash"]
    return leaf
