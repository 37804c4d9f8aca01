"""Ready-made lines for a shell, for each door of what the demo runs: gateway, token endpoint, admin API, simulator."""

import shlex
from typing import Any

import orjson

from gateway.demo.calls import PERSONEN, USER, person_question
from gateway.demo.standing import Standing


def curl_lines(everything: Standing) -> list[str]:
    """The lines; each can be pasted as it is."""
    stage, ports, samples = everything.stage, everything.ports, everything.stage.samples
    curl = f"curl -sS -w '\\n' --cacert {shlex.quote(str(stage.ground.trust_anchors))}"
    question = shlex.quote(_json(person_question("999941112", "naam", "geboorte")))
    token = f"{stage.gateway_url}/nidp/oauth/nam/token"
    form = " ".join(
        f"-d {shlex.quote(f'{name}={value}')}"
        for name, value in (
            ("grant_type", "client_credentials"),
            ("client_id", samples.werkplein.client_id),
            ("client_secret", samples.werkplein.client_secret),
            ("scope", samples.zilverzand.afnemer.scope),
        )
    )
    user = " ".join(f"-H {shlex.quote(f'{name}: {value}')}" for name, value in USER.items())
    asked = f"{curl} -H 'Content-Type: application/json' {user} -d {question}"
    operator, auditor = (f"-H 'Authorization: Bearer {key}'" for key in (stage.operator_key, stage.auditor_key))
    search = shlex.quote(_json({"burgerservicenummer": "999941112", "reden": "Controle", "inhoud": True}))
    blocked = samples.duinwijk.afnemer.afnemer_id
    block = shlex.quote(_json({"soort": "afnemer", "waarde": blocked, "reden": "Incident"}))
    release = shlex.quote(_json({"reden": "Incident voorbij"}))
    admin = f"{curl} -H 'Content-Type: application/json'"
    return [
        "",
        "It stays up until Ctrl-C. Try, in another shell:",
        "",
        "# a call with an API key (Gemeente Duinwijk)",
        f"{asked} -H 'X-API-KEY: {samples.burgerzaken.api_key}' {stage.gateway_url}{PERSONEN}",
        "# a token for a member of the samenwerkingsverband, and a call with it",
        f"TOKEN=$({curl} {form} {token} | python3 -c 'import json, sys; print(json.load(sys.stdin)[\"access_token\"])')",
        f'{asked} -H "Authorization: Bearer $TOKEN" {stage.gateway_url}{PERSONEN}',
        "# the admin API: tenants, a block and its release (operator); a search in the register (auditor of Duinwijk)",
        f"{curl} {operator} {stage.tenants_url}/v1/tenants",
        f"{admin} {operator} -d {block} {stage.tenants_url}/v1/blokkades",
        f"{admin} {operator} -X DELETE -d {release} {stage.tenants_url}/v1/blokkades/afnemer/{blocked}",
        f"{admin} {auditor} -d {search} {stage.tenants_url}/v1/protocolregels/zoekvraag",
        "# what RvIG's stand-in saw; whether the gateway is ready; its metrics",
        f"curl -s {stage.control.url}/_control/seen",
        f"curl -s http://127.0.0.1:{ports.gateway_watch}/ready http://127.0.0.1:{ports.gateway_watch}/metrics",
    ]


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
