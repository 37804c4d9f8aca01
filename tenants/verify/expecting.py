"""From checkpoints and keys to what a register is judged against: signatures first, then what the reader brought. Pure."""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from cryptography.x509 import Certificate

from tenants.checkpoints import BadNote, Checkpoint, VerifierKey, open_note, read_note
from tenants.export.lines import FORMS, WIJZIGING, canonical
from tenants.export.plan import Plan
from tenants.leaves import hash_of_leaf
from tenants.merkle import is_consistent, is_included
from tenants.retention.proofs import Destroyed, gather
from tenants.timestamps import BadTimestamp, open_timestamp
from tenants.verify.findings import Code, Fault
from tenants.verify.judging import Expected


@dataclass(frozen=True, slots=True)
class Trust:
    """What the reader trusts: public keys, older checkpoints that it kept, and which register it means."""

    keys: Sequence[VerifierKey]
    anchors: Sequence[str] = ()
    oin: str | None = None
    gone_before: datetime | None = None
    timestamp_roots: Sequence[Certificate] = ()


def read_anchors(trust: Trust) -> tuple[Checkpoint, ...]:
    """The older checkpoints, signed by a key that is trusted. Raises BadNote."""
    return tuple(open_note(note, trust.keys) for note in trust.anchors)


def expect(plan: Plan, trust: Trust) -> tuple[Expected, list[Fault]]:
    """What the lines are judged against, and what is wrong before the first line. Raises BadNote for an anchor."""
    faults: list[Fault] = []
    signed = _signed(plan.proof.checkpoint, trust, faults)
    if not signed.origin.endswith(f"/{plan.oin}") or (trust.oin is not None and trust.oin != plan.oin):
        faults.append(Fault("wrong_register", None, f"it is that of {signed.origin}"))
    passed: list[tuple[Checkpoint, Code]] = []
    # What a timestamp is about is signed and stands in the tree, or the timestamp says nothing about this register.
    for note in dict.fromkeys((*plan.notes, *(one.note for one in plan.timestamps))):
        checkpoint = _signed(note, trust, faults)
        if checkpoint.origin == signed.origin:
            passed.append((checkpoint, "tree_differs"))
    faults += _faults_of_timestamps(plan, trust)
    for anchor in read_anchors(trust):
        if anchor.origin != signed.origin:
            faults.append(Fault("wrong_register", None, f"a checkpoint that you have is of {anchor.origin}"))
        elif anchor.size > signed.size:
            detail = f"you have a checkpoint of {anchor.size} leaves, this register ends at {signed.size}"
            faults.append(Fault("rolled_back", None, detail))
        elif plan.proof.first <= anchor.size <= plan.proof.until:
            passed.append((anchor, "forked"))
        else:
            faults += _beside(plan, anchor, signed)
    destroyed = destroyed_of(plan, signed, faults)
    return Expected(plan.tenant_id, signed, plan.proof, tuple(passed), trust.gone_before, destroyed), faults


def note_timestamps(plan: Plan, trust: Trust) -> list[str]:
    """What the timestamps prove, or that they were not looked at, in words. Those that do not hold are faults."""
    if not plan.timestamps:
        return []
    if not trust.timestamp_roots:
        return [f"{len(plan.timestamps)} timestamps were not looked at: give the roots of their authority"]
    moments = {}
    for one in plan.timestamps:
        with suppress(BadTimestamp, BadNote):
            moments[read_note(one.note)[0].size] = open_timestamp(one.token, one.note, trust.timestamp_roots)
    if not moments:
        return []
    size = max(moments)
    return [
        f"{len(moments)} timestamps hold; the last: {size} leaves stood so on {moments[size]:%Y-%m-%d %H:%M:%S} UTC"
    ]


def _faults_of_timestamps(plan: Plan, trust: Trust) -> list[Fault]:
    if not trust.timestamp_roots:
        return []
    faults = []
    for one in plan.timestamps:
        try:
            open_timestamp(one.token, one.note, trust.timestamp_roots)
        except BadTimestamp as reason:
            faults.append(Fault("bad_timestamp", None, str(reason)))
    return faults


def destroyed_of(plan: Plan, signed: Checkpoint, faults: list[Fault]) -> Destroyed:
    """What proofs of destruction say, of those that stand in the signed tree as what they are."""
    rows = []
    for line in plan.proofs:
        try:
            row, leaf = line["row"], line["leaf"]
            hash_ = hashlib.sha256(canonical(list(row.values()))).digest()
            sealed_as = hash_of_leaf("wijziging", row["number"], hash_)
            path = [bytes.fromhex(one) for one in line["inclusion"]]
            is_whole = list(row) == list(WIJZIGING) and (row["form"], row["tenant_id"]) == (
                FORMS["wijziging"],
                plan.tenant_id,
            )
            if not (is_whole and is_included(sealed_as, leaf, signed.size, path, signed.root)):
                raise ValueError  # noqa: TRY301 - one way out for every proof that is none
            gather([row])
        except (KeyError, TypeError, ValueError, AttributeError):
            faults.append(Fault("bad_proof", None, "it counts for nothing"))
        else:
            rows.append(row)
    return gather(rows)


def _signed(note: str, trust: Trust, faults: list[Fault]) -> Checkpoint:
    try:
        return open_note(note, trust.keys)
    except BadNote as reason:
        faults.append(Fault("bad_signature", None, str(reason)))
    # What it says is judged all the same: more may be wrong than its signature.
    return read_note(note)[0]


def _beside(plan: Plan, anchor: Checkpoint, signed: Checkpoint) -> list[Fault]:
    """An older checkpoint from before the stretch, or from behind it: by a proof of consistency."""
    if anchor.size == signed.size:
        same = anchor.root == signed.root
        return [] if same else [Fault("forked", None, f"two checkpoints of {signed.size} leaves differ")]
    proof = dict(plan.proof.consistency).get(anchor.size)
    if proof is None:
        detail = f"that the tree begins with the {anchor.size} leaves of your checkpoint: export with --anchor"
        return [Fault("proof_missing", None, detail)]
    if is_consistent(anchor.size, signed.size, anchor.root, signed.root, proof):
        return []
    return [Fault("forked", None, f"the tree of {signed.size} leaves does not begin with that of {anchor.size}")]
