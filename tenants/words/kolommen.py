"""How the history calls what it is about, and each thing that it says of it: as the resources do. Pure.

What stands in a column stays as PostgreSQL keeps it; only its name is told in the API's own words. A column that has no word of
its own is told in camelCase, and a test says which may.
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic.alias_generators import to_camel

OBJECTEN: Final[Mapping[str, str]] = {
    "admin_key": "beheersleutel", "agreement": "overeenkomst", "beheer_idp": "beheeridp", "certificate": "certificaat",
    "certificate_exception": "uitzondering", "certificate_lending": "uitlening",
    "checkpoint_destination": "controlebestemming", "environment": "omgeving", "header_profile": "headerprofiel",
    "logboek_destination": "logboekbestemming", "mandate": "mandaat", "mandate_request": "mandaatverzoek",
    "rate_limit": "snelheidslimiet", "seal_fault": "registerfout", "fout_antwoord": "foutantwoord",
    "taaksysteem_key": "sleutel", "tenant_key": "tenantsleutel", "rvig_stand": "stand",
    "aansluiting_stap": "stappenplanstap", "contracteinde_stap": "contracteindestap",
    "vernietigingsstop_stap": "vernietigingsstopstap",
}  # fmt: skip
"""By table; one that is not here is called what its table is called."""
_TABELLEN: Final = {name: table for table, name in OBJECTEN.items()}

_KOLOMMEN: Final[Mapping[str, str]] = {
    "accepts": "beslist", "account": "account", "activation_reason": "activeringsreden", "actor": "door",
    "add_bsn": "voegBsnToe", "agreement_id": "nummer", "algorithms": "algoritmen", "antwoord_id": "nummer",
    "article": "artikel", "asked_at": "gevraagdOp", "asked_by": "gevraagdDoor", "at": "op",
    "audience": "doelgroep", "authentication": "authenticatie", "backup_days": "dagenInBackup",
    "backups_until": "backupsTot", "beat_at": "laatsteTeken", "begun_at": "begonnenOp", "besluit_id": "nummer",
    "blocked_at": "geblokkeerdOp", "blocked_by": "geblokkeerdDoor", "body": "inhoud", "burst": "piek",
    "by_tenant_id": "doorTenantId", "certificate_id": "certificaat", "certificate_oin": "certificaatOin",
    "certificate_tenant_id": "certificaatTenantId", "chain_pem": "keten", "claim_afnemer_id": "claimAfnemerId",
    "claim_roles": "claimRollen", "claim_subject": "claimSubject", "claim_taaksysteem": "claimTaaksysteem",
    "claim_user": "claimGebruiker", "client_id": "clientId", "clock_skew_seconds": "klokverschilSeconden",
    "closings": "afsluitingen", "conditions": "voorwaarden", "confirmation": "bevestigingsreden",
    "confirmed_by": "bevestigdDoor", "created_at": "aangemaaktOp", "credential_id": "credential", "csr_pem": "csr",
    "data_keys": "datasleutels", "decided_at": "beslistOp", "decided_by": "beslistDoor",
    "decision_reason": "besluitreden", "definitief_at": "definitiefOp", "destination_id": "nummer",
    "destroyed": "vernietigd", "destroyed_at": "vernietigdOp", "digest": "vingerafdruk", "done_by": "gedaanDoor",
    "done_on": "gedaanOp", "end_date": "einddatum", "ended_at": "geeindigdOp", "environment": "omgeving",
    "every_seconds": "iedereSeconden", "exception_id": "uitzondering", "faults": "fouten",
    "fingerprint": "vingerafdruk", "finished_at": "afgerondOp", "found_at": "gevondenOp", "from_start": "vanafBegin",
    "given_by": "gegevenDoor", "grace_reason": "uitstelreden", "grace_until": "uitstelTot",
    "granted_by": "toegestaanDoor", "ground": "grond", "halts": "houdtTegen", "has_secret": "heeftGeheim",
    "header_choice": "keuzeDoorHeader", "header_profile": "headerprofiel", "holder_oin": "houderOin",
    "holder_tenant_id": "houderTenantId", "idp_client": "idpClient", "inzage_article": "inzageArtikel",
    "key_destroyed_at": "sleutelVernietigdOp", "key_id": "nummer", "kind": "soort", "last_at": "laatst",
    "leave_out_geheimhouding": "laatGeheimhoudingWeg", "leaves": "bladen", "lending_id": "uitlening",
    "made_inside": "binnenGemaakt", "mailbox_id": "berichtenboxnummer", "mandate_id": "mandaat", "method": "methode",
    "mandaat_id": "nummer", "name": "naam", "note": "notitie", "not_after": "geldigTot", "not_before": "geldigVan",
    "number": "nummer", "numbers": "nummers", "openings": "openingen", "organisation_oin": "organisatieOin",
    "party": "partij", "path": "pad", "pattern": "patroon", "per_second": "perSeconde", "period_from": "periodeVan",
    "period_until": "periodeTot", "person": "persoon", "persons": "personen", "phone": "telefoon", "place": "plaats",
    "policy_granted_by": "beleidToegestaanDoor", "policy_requested_by": "beleidGevraagdDoor",
    "policy_version": "beleidVersie", "probe_at": "volgendePoging", "products": "producten",
    "proposed_at": "voorgesteldOp", "proposed_by": "voorgesteldDoor", "protocol_note": "protocolnotitie",
    "protocol_note_article": "protocolnotitieArtikel", "public_key": "publiekeSleutel",
    "public_key_hash": "publiekeSleutelSha256", "public_key_sha256": "publiekeSleutelSha256",
    "rate_limit_id": "nummer", "reason": "reden", "record_content": "vastlegging", "reference": "kenmerk",
    "request_id": "nummer", "requires": "vereist", "resolved_at": "opgelostOp", "resolved_by": "opgelostDoor",
    "rest_seconds": "rustSeconden", "result": "uitkomst", "retention_years": "bewaartermijnJaren",
    "retired_at": "uitgefaseerdOp", "revocation": "intrekking", "rights": "rechten", "role": "rol", "routes": "routes",
    "rows": "rijen", "scope_template": "scopeSjabloon", "secret_valid_until": "geheimGeldigTot", "seen_at": "sinds",
    "signed_on": "getekendOp", "start_date": "begindatum", "state": "toestand", "step": "stap", "stop_id": "nummer",
    "subjects": "betrokkenen", "take": "neming", "taken_by": "genomenDoor", "target": "doel", "times": "keren",
    "to_tenant_id": "aanTenantId", "tree_size": "boomomvang", "untried_reason": "redenZonderPoging",
    "valid_from": "geldigVan", "valid_until": "geldigTot", "vaste_aansluiting_id": "vasteAansluiting",
    "version": "versie", "version_seen": "gezieneVersie", "webhook_generation": "webhookgeneratie",
    "webhook_key": "webhooksleutel", "webhook_url": "webhookUrl", "withdrawn_at": "ingetrokkenOp", "words": "tekst",
    "year": "jaar", "mandate_version": "mandaatVersie", "afnemer_kind": "afnemersoort", "tenant_kind": "tenantsoort",
    "own_header_profile": "eigenHeaderprofiel", "installation": "installatie", "released_for": "opgehevenOmdat",
    "value": "waarde", "webhook_secret": "webhookgeheim",
}  # fmt: skip
_VAN_OBJECT: Final[Mapping[tuple[str, str], str]] = {
    ("certificate", "certificate_id"): "nummer", ("credential", "credential_id"): "nummer",
    ("certificate_exception", "exception_id"): "nummer", ("certificate_lending", "lending_id"): "nummer",
    ("mandate", "mandate_id"): "nummer", ("vernietigingsstop_stap", "stop_id"): "vernietigingsstop",
}  # fmt: skip


def object_of(table: str) -> str:
    """What the API calls a row of this table."""
    return OBJECTEN.get(table, table)


def table_of(name: str) -> str:
    """The table of what the API calls so; a name that is none stays what it is, and nothing has it."""
    return _TABELLEN.get(name, name)


def told(table: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row in the API's words. No two columns of one table have one word (a test holds them to that)."""
    return {word_of(table, column): value for column, value in row.items()}


def word_of(table: str, column: str) -> str:
    """The API's word for a column."""
    if column == f"{table}_id":
        return "nummer" if table not in {"afnemer", "tenant"} else to_camel(column)
    return _VAN_OBJECT.get((table, column)) or _KOLOMMEN.get(column) or to_camel(column)


def has_word(table: str, column: str) -> bool:
    """Whether a column has a word of its own, rather than its English name in another form."""
    return column == f"{table}_id" or (table, column) in _VAN_OBJECT or column in _KOLOMMEN
