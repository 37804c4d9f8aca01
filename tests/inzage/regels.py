"""Calls in the register with what inzage is about: messages of the mailbox, persons that were withheld, bad endings."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from tests.admin.regels import Recorder
from tests.db.calls import closing, opening, uuid7
from tests.worlds import World

ANNA, BRAM, CEES = "999990019", "999990020", "999990032"
A_NUMMER = "1234567890"
USER = "j.jansen"
ARTICLE = "Besluit BRP artikel 46"


@dataclass(frozen=True, slots=True)
class Message:
    """A message that was fetched."""

    id: str
    bsns: Sequence[str] = ()
    a_nummers: Sequence[str] = ()
    rubrieken: Sequence[str] = ()
    type: str = "Gv01"


class Register(Recorder):
    """A recorder that writes the rarer kinds of calls too."""

    async def call(
        self,
        world: World,
        *bsns: str,
        withheld: Sequence[str] = (),
        withheld_fields: Sequence[str] = (),
        messages: Sequence[Message] = (),
        outcome: str | None = "beantwoord",
        question: dict[str, Any] | None = None,
        whole: bool = True,
        user: str | None = USER,
        unidentified: int = 0,
        **changes: Any,
    ) -> UUID:
        """Record a call about these persons; `outcome` None leaves it open."""
        await self._learn_keys()
        tenant_id, id_, year = world.tenant_id, uuid7(), datetime.now(UTC).year
        asked = question or {"type": "RaadpleegMetBurgerservicenummer", "burgerservicenummer": list(bsns)}
        sealed = self.sealer.seal_opening(
            tenant_id, id_, user=user, source="192.0.2.7", headers={}, question=orjson.dumps(asked), query=""
        )
        if messages:
            changes |= {"api": "berichten", "operation": "fetch", "zoekrubrieken": "", "rubrieken": ""}
        index = None if user is None else self.sealer.user_index(tenant_id, year, user)
        row = opening(
            world, id=id_, user_index=index, data_key_id=sealed.data_key.data_key_id, sealed=sealed.sealed, **changes
        )
        (written,) = await self.writer.write([row], keys=[_key(sealed)])
        assert written.verdict == changes.get("refusal")
        if outcome is not None and written.verdict is None:
            kept = {"persons": list(withheld), "unidentified": 0, "fields": list(withheld_fields)}
            await self._end(row, bsns, kept, messages, outcome, unidentified, whole=whole)
        return id_

    async def unanswered(
        self, world: World, *bsns: str, question: dict[str, Any] | None = None, **changes: Any
    ) -> UUID:
        """Record a call about these persons that was sent and not answered: nobody was disclosed, as far as is known."""
        id_ = await self.call(world, *bsns, outcome=None, question=question, **changes)
        sealed = self.sealer.seal_closing(world.tenant_id, id_, persons=(), answer=None, headers={})
        row = {"id": id_, "tenant_id": world.tenant_id, "data_key_id": sealed.data_key.data_key_id}
        end = closing(
            row, outcome="niet_beantwoord", status=None, code="antwoordTeLaat", persons=0, sealed=sealed.sealed
        )
        (written,) = await self.writer.write(closings=[end], keys=[_key(sealed)])
        assert written.verdict is None
        return id_

    async def _end(
        self,
        row: dict[str, Any],
        bsns: Sequence[str],
        withheld: dict[str, Any],
        messages: Sequence[Message],
        outcome: str,
        unidentified: int,
        *,
        whole: bool,
    ) -> None:
        tenant_id, id_, year, sealer = row["tenant_id"], row["id"], datetime.now(UTC).year, self.sealer
        answered = sealer.seal_closing(
            tenant_id,
            id_,
            persons=[*bsns, *(bsn for one in messages for bsn in one.bsns)],
            answer=b'{"personen":[]}' if whole else None,
            headers={},
            messages=[
                {"id": m.id, "type": m.type, "bsns": m.bsns, "aNummers": m.a_nummers, "rubrieken": m.rubrieken}
                for m in messages
            ],
            withheld=withheld if any(withheld.values()) else None,
        )
        persons = [
            (id_, tenant_id, sealer.person_index(tenant_id, year, bsn), "") for bsn in (*bsns, *withheld["persons"])
        ]
        for m in messages:
            persons += [(id_, tenant_id, sealer.person_index(tenant_id, year, bsn), m.id) for bsn in m.bsns]
            persons += [(id_, tenant_id, sealer.a_nummer_index(tenant_id, year, one), m.id) for one in m.a_nummers]
        end = closing(
            row, outcome=outcome, persons=len(persons), unidentified=unidentified,
            data_key_id=answered.data_key.data_key_id, sealed=answered.sealed,
        )  # fmt: skip
        (written,) = await self.writer.write(closings=[end], persons=persons, keys=[_key(answered)])
        assert written.verdict is None


def _key(record: Any) -> tuple[UUID, int, int, bytes]:
    one = record.data_key
    return one.data_key_id, one.tenant_id, one.year, one.wrapped
