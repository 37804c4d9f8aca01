"""What a rule of the registry says when it is broken, in Dutch: status, and a sentence for who asked.

409 is a clash with what stands there, 400 is what could never stand. A rule without words of its own gets those of its
sort, by how PostgreSQL names it. Texts hold no values.
"""

from collections.abc import Mapping
from typing import Final

_LAST: Final = "De registratie neemt dit niet aan."

WORDS: Final[Mapping[str, tuple[int, str]]] = {
    # aansluiting
    "aansluiting_check": (409, "Zonder certificaat en credential is een aansluiting concept of beëindigd."),
    "aansluiting_check1": (400, "Een uitzondering op de certificaatregel hoort bij haar houder."),
    "aansluiting_once": (409, "Deze afnemer heeft in deze omgeving al een aansluiting met dit patroon."),
    "aansluiting_certificate_tenant_id_certificate_id_certifica_fkey": (
        409, "Dit certificaat bestaat niet, of is niet van de organisatie van deze afnemer.",
    ),
    "aansluiting_tenant_id_afnemer_id_organisation_oin_fkey": (
        409, "Deze afnemer bestaat niet, of zijn OIN is dit niet, of er hangt een aansluiting aan.",
    ),
    "aansluiting_tenant_id_credential_id_afnemer_id_environment_fkey": (
        409, "Deze credential bestaat niet, of is niet van deze afnemer in deze omgeving.",
    ),
    "aansluiting_tenant_id_exception_id_afnemer_id_organisation_fkey": (
        409, "Deze uitzondering bestaat niet, of geldt niet voor deze afnemer en deze houder.",
    ),
    "aansluiting_afnemer_is_confirmed": (
        409,
        "Deze afnemer heeft een ander OIN dan de tenant, en de operator heeft nog niet bevestigd dat de tenant hem bedient.",
    ),
    "aansluiting_afnemer_is_active": (409, "Deze afnemer is beëindigd."),
    # afnemer
    "afnemer_state": (400, "Een afnemer is actief of beëindigd."),
    "afnemer_is_ended": (409, "Deze afnemer is beëindigd."),
    "afnemer_is_used": (409, "Een aansluiting gebruikt deze afnemer nog."),
    "afnemer_is_confirmed_by_operator": (409, "Alleen de operator bevestigt een afnemer."),
    "afnemer_check": (400, "Een gemeente heeft een gemeentecode, en niemand anders heeft er een."),
    "afnemer_gemeentecode_check": (400, "Een gemeentecode heeft vier cijfers."),
    "afnemer_mailbox_id_check": (400, "Een berichtenboxnummer heeft 1 tot 12 cijfers."),
    "afnemer_afnemer_id_key": (409, "Deze AfnemerID is al geregistreerd."),
    "afnemer_pkey": (409, "Deze AfnemerID is al geregistreerd."),
    # agreement
    "agreement_check": (400, "Een overeenkomst eindigt na de dag van ondertekening."),
    "agreement_check1": (400, "Uitstel eindigt niet voor de overeenkomst zelf."),
    "agreement_check2": (400, "Informatieproducten horen bij een aanvullende autorisatie, en bij niets anders."),
    "agreement_check3": (409, "Uitstel heeft een reden, en geldt voor een overeenkomst die eindigt."),
    "agreement_party_check": (400, "De andere partij heeft een naam."),
    "agreement_products_check": (400, "Een informatieproduct is adressering, gezag of leeftijd."),
    "agreement_signed_on_check": (400, "De dag van ondertekening is een dag."),
    "agreement_tenant_id_afnemer_id_fkey": (409, "Deze afnemer bestaat hier niet."),
    # aansluiting_stap
    "aansluiting_stap_done_on_check": (400, "De dag van een stap is een dag."),
    "aansluiting_stap_step_check": (400, "Deze stap staat niet in het stappenplan."),
    "aansluiting_stap_tenant_id_aansluiting_id_fkey": (404, "Deze aansluiting bestaat hier niet."),
    # autorisatiebesluit
    "autorisatiebesluit_check": (400, "Een autorisatiebesluit eindigt na zijn begin."),
    "autorisatiebesluit_end_date_check": (400, "De einddatum is een dag."),
    "autorisatiebesluit_start_date_check": (400, "De begindatum is een dag."),
    "autorisatiebesluit_medium_check": (400, "Een medium is één hoofdletter (LO BRP, tabel 35)."),
    "autorisatiebesluit_rubrieken_check": (400, "Rubrieken hebben zes posities, en zijn er hoogstens 2000."),
    "autorisatiebesluit_tenant_id_afnemer_id_fkey": (409, "Deze afnemer bestaat hier niet."),
    "autorisatiebesluit_tenant_id_afnemer_id_start_date_medium_key": (
        409, "Deze afnemer heeft al een besluit dat op die dag begint, voor dit medium.",
    ),
    # certificate
    "certificate_check": (400, "Een certificaat is van de organisatie waarvoor het dient."),
    "certificate_check2": (400, "Een certificaat dat nog dient heeft een sleutel."),
    "certificate_is_whole": (400, "Wat is uitgegeven heeft een keten, een vingerafdruk en een geldigheid."),
    "certificate_request": (409, "Een aanvraag heeft nog geen certificaat."),
    "certificate_key_destroyed": (409, "Alleen de sleutel van wat geëindigd is wordt vernietigd."),
    "certificate_never_comes_back": (409, "Een uitgefaseerd of ingetrokken certificaat komt nooit terug."),
    "certificate_stays_itself": (409, "Een certificaat wordt nooit door een ander vervangen; breng een nieuw in."),
    "certificate_fingerprint_key": (409, "Dit certificaat is al ingebracht: het dient één organisatie, en één keer."),
    "certificate_public_key_hash_key": (
        409, "Deze publieke sleutel is al bekend. Een vernieuwing heeft een nieuw sleutelpaar, en een sleutel dient één organisatie.",
    ),
    "certificate_activation_check": (409, "Een aansluiting wisselt niet naar het certificaat dat ze al heeft."),
    "certificate_activation_tenant_id_aansluiting_id_fkey": (404, "Deze aansluiting bestaat hier niet."),
    "certificate_activation_tenant_id_certificate_id_fkey": (404, "Dit certificaat bestaat hier niet."),
    "certificate_activation_tenant_id_previous_certificate_id_fkey": (404, "Het vorige certificaat bestaat hier niet."),
    # certificate_exception and certificate_lending
    "certificate_exception_check": (400, "Een uitzondering eindigt na haar begin."),
    "certificate_exception_afnemer_kind_check": (400, "Voor een gemeente bestaat er geen uitzondering."),
    "certificate_exception_tenant_kind_check": (400, "Voor een gemeente bestaat er geen uitzondering."),
    "certificate_exception_reason_check": (400, "Een uitzondering heeft een reden."),
    "certificate_exception_article_check": (400, "Een uitzondering noemt het artikel dat haar toestaat."),
    "certificate_exception_granted_by_check": (400, "Een uitzondering noemt wie haar toestond."),
    "certificate_exception_valid_from_check": (400, "Een uitzondering heeft een begin."),
    "certificate_exception_valid_until_check": (400, "Een uitzondering heeft een einde."),
    "certificate_exception_holder_tenant_id_lending_id_tenant_i_fkey": (
        409, "De houder heeft zijn certificaten niet met deze uitlening aan deze tenant geleend.",
    ),
    "certificate_exception_tenant_id_afnemer_id_organisation_oi_fkey": (409, "Deze afnemer bestaat hier niet."),
    "certificate_exception_tenant_id_tenant_kind_fkey": (
        409, "De soort van deze tenant ligt vast: er is een uitzondering die ervan uitgaat.",
    ),
    "certificate_lending_reason_check": (400, "Een uitlening heeft een reden."),
    "certificate_lending_to_tenant_id_fkey": (409, "De tenant aan wie geleend wordt bestaat niet."),
    # checkpoint_destination
    "checkpoint_destination_check": (400, "Deze plaats heeft niet de vorm die bij haar soort hoort."),
    "checkpoint_destination_every_seconds_check": (400, "Een checkpoint wordt elke minuut tot elke week bezorgd."),
    "checkpoint_destination_once": (409, "Checkpoints worden daar al bezorgd."),
    # header_profile
    "header_profile_state": (400, "Een headerprofiel is actief of beëindigd."),
    "header_profile_is_ended": (409, "Dit headerprofiel is beëindigd."),
    "header_profile_is_used": (409, "Een taaksysteem heeft dit headerprofiel nog."),
    "header_profile_name_check": (
        400, "Een headerprofiel heeft kleine letters, cijfers en streepjes, en geen naam van het product zelf.",
    ),
    "header_profile_pkey": (409, "Een headerprofiel met deze naam is er al."),
    # logboek_destination
    "logboek_destination_header": (400, "De kopregel is authorization, api-key of begint met x-."),
    "logboek_destination_is_ended": (409, "Deze bestemming is beëindigd."),
    "logboek_destination_keys": (409, "Een bestemming die beëindigd is heeft geen sleutels meer."),
    "logboek_destination_once": (409, "Er is al een bestemming voor het logboek; wijzig die, of beëindig haar eerst."),
    "logboek_destination_state": (400, "Deze toestand bestaat niet."),
    "logboek_destination_url": (400, "De bestemming is een https-adres zonder gebruiker, query en fragment."),
    # idp
    "idp_algorithms_check": (400, "Een algoritme is RS, PS of ES met 256, 384 of 512; minstens één."),
    "idp_audience_check": (400, "De audience is zichtbare tekst zonder spaties."),
    "idp_claim_afnemer_id_check": (400, "Een claim heeft een naam."),
    "idp_claim_roles_check": (400, "Een claim heeft een naam."),
    "idp_claim_taaksysteem_check": (400, "Een claim heeft een naam."),
    "idp_claim_user_check": (400, "Een claim heeft een naam."),
    "idp_clock_skew_seconds_check": (400, "Klokken mogen 0 tot 120 seconden verschillen."),
    "idp_issuer_check": (400, "Een issuer is een https-adres."),
    "idp_jwks_url_check": (400, "De JWKS staat op een https-adres."),
    "idp_name_check": (400, "Een IDP heeft een naam."),
    "idp_issuer_once": (409, "Deze issuer is al geregistreerd; een issuer is van één tenant."),
    "idp_name_once": (409, "Een IDP met deze naam is er al."),
    # machtiging
    "machtiging_check": (
        400, "Een taaksysteem van een andere tenant heeft een mandaat nodig; een eigen taaksysteem heeft er geen.",
    ),
    "machtiging_conditions_check": (400, "Voorwaarden zijn een object."),
    "machtiging_inzage_has_article": (400, "Inzage weigeren noemt het artikel, en alleen dan staat er een."),
    "machtiging_note_has_article": (400, "Geen aantekening noemt het artikel, en alleen dan staat er een."),
    "machtiging_leaves_out_for_derden": (
        400, "Personen met geheimhouding weglaten kan alleen bij verstrekking aan derden (Wet BRP 3.3, 3.6, 3.9).",
    ),
    "machtiging_policy_is_asked": (409, "Wie het register minder laat vastleggen vraagt dat, en een ander kent het toe."),
    "machtiging_policy_is_granted": (409, "Wat het register weglaat wordt één keer toegekend, door een ander dan de vrager."),
    "machtiging_policy_stands": (409, "Wat het register weglaat verandert niet: trek in en maak een nieuwe machtiging."),
    "machtiging_inzage_check": (400, "Inzage is getoond of geweigerd."),
    "machtiging_protocol_note_check": (400, "Aantekening is ja of nee."),
    "machtiging_taaksysteem_tenant_id_taaksysteem_id_fkey": (409, "Dit taaksysteem bestaat niet."),
    "machtiging_tenant_id_aansluiting_id_fkey": (409, "Deze aansluiting bestaat hier niet."),
    "machtiging_tenant_id_mandate_id_taaksysteem_tenant_id_fkey": (
        409, "Dit mandaat bestaat hier niet, of is niet aan de tenant van dit taaksysteem gegeven.",
    ),
    # mandate and mandate_request
    "mandate_check": (400, "Een mandaat geef je aan een ander."),
    "mandate_to_tenant_id_fkey": (409, "De tenant aan wie het mandaat is bestaat niet."),
    "rate_limit_once": (409, "Hiervoor is al een snelheidslimiet ingesteld; wijzig die."),
    "rate_limit_per_second_check": (400, "Een snelheid ligt tussen 0,001 en 100.000 per seconde."),
    "rate_limit_burst_check": (400, "Tegelijk ligt tussen 1 en 1.000.000."),
    "rate_limit_tenant_id_fkey": (409, "Deze tenant bestaat niet."),
    "rate_limit_tenant_id_taaksysteem_id_fkey": (409, "Dit taaksysteem bestaat hier niet."),
    "mandate_request_of_another": (400, "Een mandaat vraag je aan een ander."),
    "mandate_request_granted": (409, "Een toegekend verzoek heeft zijn mandaat."),
    "mandate_request_decided": (409, "Over dit verzoek is al beslist."),
    "mandate_request_stands": (
        409, "Over een verzoek wordt één keer beslist: door wie het kreeg, of wie het deed neemt het terug.",
    ),
    "mandate_request_once": (409, "Er ligt al een verzoek om een mandaat bij deze tenant."),
    "mandate_request_reason_check": (400, "Een verzoek heeft een reden."),
    "mandate_request_asked_by_check": (400, "Een verzoek heeft een vrager."),
    "mandate_request_valid_until_check": (400, "De einddatum is een moment."),
    "mandate_request_to_tenant_id_fkey": (409, "Deze tenant bestaat niet."),
    "mandate_request_tenant_id_fkey": (409, "Deze tenant bestaat niet."),
    "mandate_request_tenant_id_mandate_id_to_tenant_id_fkey": (409, "Dit mandaat bestaat niet."),
    # taaksysteem and its keys
    "taaksysteem_check": (400, "Een vaste aansluiting heeft een tenant en een nummer."),
    "taaksysteem_requires_check": (
        400, "Bewijzen zijn api-key, token, idp en certificate; token en idp gaan niet samen.",
    ),
    "taaksysteem_header_profile_is_active": (409, "Dit headerprofiel is beëindigd."),
    "taaksysteem_tenant_id_own_header_profile_fkey": (409, "Dit headerprofiel bestaat hier niet."),
    "taaksysteem_vaste_aansluiting_tenant_id_vaste_aansluiting__fkey": (409, "Deze vaste aansluiting bestaat niet."),
    "taaksysteem_key_check": (400, "Een API-sleutel of clientgeheim heeft een geheim, en niets anders heeft er een."),
    "taaksysteem_key_check1": (400, "Een clientgeheim of ondertekenende client heeft een client-ID."),
    "taaksysteem_key_check2": (400, "Een ondertekenende client heeft openbare sleutels."),
    "taaksysteem_key_check3": (400, "Een IDP-client heeft een IDP en een naam."),
    "taaksysteem_key_check4": (400, "Een certificaat is genoemd met zijn vingerafdruk of zijn OIN, één van beide."),
    "taaksysteem_key_client_id_check": (400, "Een client-ID heeft 1 tot 200 zichtbare tekens."),
    "taaksysteem_key_client_id_key": (409, "Deze client-ID is al in gebruik."),
    "taaksysteem_key_hash_key": (409, "Dit geheim is al in gebruik."),
    "taaksysteem_key_idp_client_check": (400, "Een IDP-client heeft een naam."),
    "taaksysteem_key_tenant_id_idp_id_fkey": (409, "Deze IDP bestaat hier niet."),
    "taaksysteem_key_tenant_id_taaksysteem_id_fkey": (404, "Dit taaksysteem bestaat hier niet."),
    "key_idp_client_once": (409, "Deze client van de IDP is al van een taaksysteem."),
    "verbindingstest_once": (409, "Er loopt al een verbindingstest van deze aansluiting."),
    # tenant
    "tenant_oin_key": (409, "Er is al een tenant met deze OIN."),
    "tenant_retention_years_check": (400, "De bewaartermijn is 1 tot 100 jaar."),
    "tenant_record_content_check": (400, "De vastlegging is volledig of rubrieken."),
    "tenant_register_weakened_by_two": (
        409, "Korter bewaren, minder vastleggen of geen gemeente meer zijn: dat vraagt een beheerder en aanvaardt een auditor.",
    ),
    "tenant_register_given_up": (
        409, "De auditor van deze tenant heeft het register prijsgegeven; zij komt pas terug als die dat intrekt.",
    ),
    "tenant_tenant_id_kind_key": (409, "Deze tenant is er al."),
    # who administers
    "beheer_idp_has_name": (400, "Een identiteitsvoorziening heeft een naam."),
    "beheer_idp_issuer_is_https": (400, "Een issuer is een https-adres."),
    "beheer_idp_keys_are_https": (400, "Sleutels staan op een https-adres."),
    "beheer_idp_has_audience": (400, "Een audience is zichtbare ASCII."),
    "beheer_idp_knows_algorithms": (400, "Er is minstens één algoritme, en alleen RS, PS en ES."),
    "beheer_idp_skew_is_small": (400, "Het klokverschil is hoogstens 120 seconden."),
    "beheer_idp_has_claim": (400, "Er is een claim die zegt wie het is."),
    "beheer_idp_state_known": (400, "Deze toestand kan hier niet."),
    "beheer_idp_issuer_once": (409, "Deze issuer is al aangemeld, en is van één tenant of van de operator."),
    "issuer_of_one": (409, "Deze issuer is al aangemeld, en is van één tenant of van de operator."),
    "beheerder_has_subject": (400, "Een beheerder heeft een kenmerk van 1 tot 200 tekens."),
    "beheerder_has_name": (400, "Een beheerder heeft een naam."),
    "beheerder_role_known": (400, "Een rol is operator, beheerder of auditor."),
    "beheerder_role_fits_tenant": (400, "De rol operator is van de operator; beheerder en auditor zijn van een tenant."),
    "beheerder_once": (409, "Deze persoon heeft deze rol al."),
    "beheerder_of_own_idp": (409, "Deze identiteitsvoorziening bestaat hier niet, of is beëindigd."),
    "beheerder_beheer_idp_id_fkey": (409, "Deze identiteitsvoorziening bestaat hier niet, of is beëindigd."),
    "beheer_of_tenant_itself": (409, "Wie een tenant beheert benoemt de tenant zelf."),
    "admin_key_opens_something": (400, "Een sleutel opent minstens één route."),
    "beheermandaat_has_reason": (400, "Een mandaat heeft een reden."),
    "beheermandaat_begins": (400, "Een mandaat begint op een moment."),
    "beheermandaat_ends": (400, "Een mandaat eindigt op een moment."),
    "beheermandaat_to_another": (400, "Een mandaat is voor een ander."),
    "beheermandaat_is_no_longer_than_two_years": (400, "Een mandaat duurt hoogstens twee jaar."),
    "beheermandaat_of_tenant_itself": (409, "Een mandaat geeft en beëindigt de eigen beheerder van de tenant."),
    "beheermandaat_to_tenant_id_fkey": (409, "Deze tenant bestaat niet."),
    "mandate_of_tenant_itself": (409, "Een mandaat geeft en verruimt de tenant zelf, en niemand die voor haar beheert."),
    "certificate_lending_of_tenant_itself": (409, "Certificaten leent de tenant zelf uit, en niemand die voor haar beheert."),
    "checkpoint_destination_of_tenant_itself": (409, "Waar controlepunten heen gaan zegt de tenant zelf, en niemand die voor haar beheert."),
    "contact_of_tenant_itself": (409, "Wie gewaarschuwd wordt zegt de tenant zelf, en niemand die voor haar beheert."),
    # fout_antwoord
    "fout_antwoord_is_somebodys": (400, "Wie antwoordt op een fout, zegt wie het is."),
    "fout_antwoord_has_reason": (400, "Een antwoord op een fout heeft een toelichting."),
    "fout_antwoord_is_about_faults": (409, "Er zijn geen fouten om op te antwoorden."),
    "fout_antwoord_state_known": (400, "Over een antwoord wordt ingestemd of geweigerd."),
    "fout_antwoord_is_decided_by_somebody": (400, "Een besluit over een antwoord heeft een moment, een naam en een reden."),
    "fout_antwoord_once": (409, "Er wacht al een antwoord op deze fouten."),
    "voorstel_accepts_known": (400, "Over een voorstel beslist een beheerder of een auditor."),
    "voorstel_method_changes": (400, "Een voorstel verandert iets."),
    "voorstel_path_is_ours": (400, "Dit adres kan niet worden voorgesteld."),
    "voorstel_body_is_small": (400, "Dit verzoek is te groot om voor te stellen."),
    "voorstel_state_known": (400, "Deze toestand kan hier niet."),
    "voorstel_is_decided": (409, "Over dit voorstel is al besloten."),
    "voorstel_stands": (409, "Over een voorstel beslist één keer wie daarvoor is, en niet wie het deed."),
    # contacts
    "contact_has_name": (400, "Een contact heeft een naam."),
    "contact_email_is_address": (400, "Dit is geen e-mailadres."),
    "contact_phone_is_number": (400, "Een telefoonnummer bestaat uit cijfers, spaties, haakjes en streepjes."),
    "contact_webhook_is_https": (400, "Een webhook is een https-adres zonder gebruiker, vraagteken of hekje."),
    "contact_can_be_told": (400, "Een contact heeft een e-mailadres of een webhook."),
    "contact_webhook_is_signed": (400, "Een webhook wordt ondertekend, en niets anders."),
    "contact_webhook_key_check": (400, "Een webhook wordt ondertekend, en niets anders."),
    # Types that stand in many tables.
    "oin_check": (400, "Een OIN heeft twintig posities: 000000, twee cijfers, negen posities, 000."),
    "afnemer_id_check": (400, "Een AfnemerID heeft zes cijfers."),
    "sha256_check": (400, "Een vingerafdruk heeft 32 bytes."),
    "text_line_check": (400, "Een tekst heeft hoogstens 500 tekens, zonder stuurtekens."),
}  # fmt: skip
_SORTS: Final[tuple[tuple[str, int, str], ...]] = (
    ("_environment_fkey", 409, "Deze omgeving bestaat niet."),
    ("_state_check", 400, "Deze toestand kan hier niet."),
    ("_kind_check", 400, "Deze soort kan hier niet."),
    ("_pattern_check", 400, "Dit aansluitpatroon bestaat niet."),
    ("_not_null", 400, "Er ontbreekt een verplicht gegeven."),
    ("_tenant_id_fkey", 409, "Deze tenant bestaat niet."),
    ("_pkey", 409, "Dit bestaat al."),
    ("_key", 409, "Dit bestaat al."),
    ("_fkey", 409, "Dit verwijst naar iets dat hier niet bestaat, of er wordt nog naar verwezen."),
)


def words_of_constraint(table: str | None, constraint: str | None, domain: str | None = None) -> tuple[int, str]:
    """The status and the sentence of a broken rule; a last resort for one that has neither words nor a known sort."""
    name = constraint or (f"{domain}_check" if domain else f"{table}_not_null" if table else "")
    if name in WORDS:
        return WORDS[name]
    return next(((status, words) for suffix, status, words in _SORTS if name.endswith(suffix)), (400, _LAST))


def has_words(constraint: str) -> bool:
    """Whether a rule says something of its own, or something of its sort."""
    return words_of_constraint(None, constraint)[1] != _LAST
