"""How the demo looks: English around it, Dutch in what callers see, at most 120 columns, also where nobody watches.

Owns the console and its tables. Shows what was observed, never what was expected; a check that does not hold is red.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gateway.demo.asking import Reply, SeenCall
from gateway.demo.expectations import RECEIPT, Call, Check, Observed, Refusal, Refused, mismatches
from gateway.demo.samples import CallingSystem, Samples
from tenants.protocolregels import Protocolregel

WIDTH = 120


def make_console() -> Console:
    """A console for standard output: colours and spinners on a terminal only."""
    if hasattr(sys.stdout, "reconfigure"):
        # A terminal that cannot show a sign shows a question mark, and the demo goes on.
        sys.stdout.reconfigure(errors="replace")
    console = Console(highlight=False)
    console.width = min(console.width, WIDTH) if console.is_terminal else WIDTH
    return console


@contextmanager
def step(console: Console, doing: str) -> Iterator[None]:
    """Show what is being done, and then that it is, with the seconds it took."""
    began = time.monotonic()
    with console.status(escape(doing)):
        yield
    console.print(f"[green]✓[/] {escape(doing)} [dim]{time.monotonic() - began:.1f} s[/]")


def show_samples(console: Console, samples: Samples) -> None:
    """Who was registered."""
    table = Table(title="Registered", title_justify="left", title_style="bold", box=box.ROUNDED, width=console.width)
    for name in ("organisation", "pattern", "AfnemerID", "OIN of its certificate"):
        table.add_column(name, no_wrap=True)
    table.add_column("taaksysteem that asks", ratio=1)
    for organisation, system in (
        (samples.duinwijk, samples.burgerzaken),
        (samples.veenkant, samples.heffingen),
        (samples.zilverzand, samples.werkplein),
        (samples.turfmeer, samples.werkplein),
    ):
        afnemer = organisation.afnemer
        table.add_row(
            afnemer.name, afnemer.pattern, afnemer.afnemer_id, afnemer.oin, f"{system.name} of {system.owner}",
        )  # fmt: skip
    console.print()
    console.print(table)


def show_call(console: Console, number: int, call: Call, observed: Observed, checks: Sequence[Check]) -> None:
    """One call, from all sides."""
    table = _table(console, f"{number}. {call.title}")
    table.add_row("caller", f"{escape(call.system.name)} of {escape(call.system.owner)}, with {_means(call.system)}")
    table.add_row("aansluiting", _aansluiting(call, observed.regel))
    table.add_row("RvIG saw", _seen(observed.seen))
    table.add_row("answer", f"{observed.reply.status} {escape(summarise(observed.reply))}")
    table.add_row("register", _register(observed.regel, observed.reply))
    table.add_row("", _verdict(checks))
    console.print()
    console.print(table)


def show_refusal(console: Console, number: int, refusal: Refusal, refused: Refused, checks: Sequence[Check]) -> None:
    """One refusal: what was said, that RvIG saw nothing, what the register holds, and that service returned."""
    table = _table(console, f"Refusal {number}. {refusal.title}")
    table.add_row("trouble", escape(refusal.trouble))
    table.add_row("answer", f"{refused.reply.status} {escape(summarise(refused.reply))}")
    table.add_row("RvIG saw", _seen(refused.seen))
    table.add_row("register", _attempt(refusal, refused.regel))
    if refused.afterwards is not None:
        table.add_row(
            "afterwards", f"{refusal.mended}: answered again ({refused.afterwards}) within {refused.seconds:.1f} s"
        )
    table.add_row("", _verdict(checks))
    console.print()
    console.print(table)


def show_result(console: Console, checks: Sequence[Check], seconds: float) -> None:
    """Whether everything was as expected."""
    wrong = mismatches(checks)
    console.print()
    if checks and not wrong:
        console.print(f"[bold green]Everything was as expected[/]: {len(checks)} checks in {seconds:.1f} s.")
    else:
        console.print(f"[bold red]NOT as expected[/]: {len(wrong)} of {len(checks)} checks do not hold.")


def show_failure(console: Console, text: str) -> None:
    console.print(f"[bold red]The demo cannot go on.[/] {escape(text)}", soft_wrap=True)


def summarise(reply: Reply) -> str:
    """An answer in one line: what was found, or why not."""
    answer = reply.json
    if not isinstance(answer, dict):
        return ""
    for name, tell in _TELLERS.items():
        if isinstance(answer.get(name), list):
            found = [text for one in answer[name] if (text := tell(one))]
            return f"{name}: " + (", ".join(found) or "geen")
    if "error" in answer:
        return f"{answer['error']}: {answer.get('error_description', '')}"
    where = f", plaats {answer['plaats']}" if "plaats" in answer else ""
    return f"{answer.get('title', '')} {answer.get('detail', '')} (code {answer.get('code', '–')}{where})"


def _tell_person(one: dict[str, Any]) -> str:
    return str(one.get("naam", {}).get("volledigeNaam", one.get("burgerservicenummer", "?")))


def _tell_bewoning(one: dict[str, Any]) -> str:
    period = one.get("periode", {})
    return (
        f"{len(one.get('bewoners', []))} bewoners van {period.get('datumVan', '?')} tot {period.get('datumTot', '?')}"
    )


def _tell_stay(one: dict[str, Any]) -> str:
    place = one.get("verblijfadres", {})
    lines = (one.get("adressering") or {}).get("adresregel1")
    return str(lines or f"{place.get('korteStraatnaam', one.get('type', '?'))} {place.get('huisnummer', '')}".strip())


def _tell_document(one: dict[str, Any]) -> str:
    kind = one.get("soort", {})
    return f"{kind.get('omschrijving', kind.get('code', '?'))} {one.get('reisdocumentnummer', '')}".strip()


def _tell_message(one: dict[str, Any]) -> str:
    marks = one.get("berichtKenmerken", one)
    return f"{marks.get('berichtType', '?')} van {marks.get('afzender', '?')}"


_TELLERS = {
    "personen": _tell_person,
    "bewoningen": _tell_bewoning,
    "verblijfplaatsen": _tell_stay,
    "reisdocumenten": _tell_document,
    "opgehaaldeBerichten": _tell_message,
    "berichten": _tell_message,
}


def _table(console: Console, title: str) -> Table:
    table = Table(
        title=escape(title), title_justify="left", title_style="bold", box=box.ROUNDED, show_header=False,
        width=console.width,
    )  # fmt: skip
    table.add_column(style="cyan", no_wrap=True, width=11)
    table.add_column(overflow="fold", ratio=1)
    return table


def _means(system: CallingSystem) -> str:
    return "an API key" if system.api_key is not None else "a token of this gateway"


def _aansluiting(call: Call, regel: Protocolregel | None) -> str:
    if regel is None:
        return "[red]not in the register[/]"
    chosen = "its vaste aansluiting" if call.system.api_key is not None else "named by the token's scope"
    mandate = "" if regel.mandate_id is None else f", under mandate {regel.mandate_id}"
    afnemer = call.organisation.afnemer
    return (
        f"{regel.aansluiting_id}: AfnemerID {regel.afnemer_id}, OIN {regel.organisation_oin} ({escape(afnemer.name)}, "
        f"{afnemer.pattern}); {chosen}{mandate}"
    )


def _seen(seen: Sequence[SeenCall]) -> str:
    """The calls, with the identity under those that had the same."""
    lines = []
    for identity, calls in groupby(seen, key=lambda one: (one.certificate_oin, one.fingerprint, one.scope)):
        oin, fingerprint, scope = identity
        lines.append(escape("; ".join(_seen_call(one) for one in calls)))
        lines.append(escape(f"certificate OIN {oin} ({fingerprint[:8]}…), scope {scope}"))
    return "\n".join(lines) or "nothing"


def _seen_call(one: SeenCall) -> str:
    return f"{'token request' if one.kind == 'token' else f'{one.method} {one.path}'} → {one.status}"


def _register(regel: Protocolregel | None, reply: Reply) -> str:
    if regel is None:
        return "[red]nothing[/]"
    lines = [
        (
            f"{regel.outcome}; doelbinding {escape(regel.doelbinding or '–')}; grondslag {escape(regel.grondslag or '–')}; "
            f"ontvanger {escape(regel.ontvanger or '–')}"
        )
    ]
    if regel.rubrieken or regel.zoekrubrieken:
        lines.append(f"rubrieken: gezocht {regel.zoekrubrieken or '–'}; gevraagd {_shortened(regel.rubrieken) or '–'}")
    contents = regel.contents
    if contents is not None and contents.opening is not None and contents.closing is not None:
        persons = ", ".join(contents.closing.get("persons", ())) or "none"
        users = contents.opening.get("headers", {}).get("x-gebruiker", "–")
        kept = len(contents.closing.get("answer") or "")
        lines.append(f"opened with the tenant's key: BSN {persons}; user {escape(users)}; answer of {kept} characters")
    lines.append(f"receipt that the caller holds: {escape(_receipt(reply.headers.get(RECEIPT, 'none')))}")
    return "\n".join(lines)


def _attempt(refusal: Refusal, regel: Protocolregel | None) -> str:
    if regel is None:
        return escape(refusal.unrecorded) or "[red]nothing[/]"
    return (
        f"{regel.outcome}: {regel.refusal}; taaksysteem {regel.taaksysteem_tenant_id}/{regel.taaksysteem_id} wanted "
        f"{escape(regel.api)}, {escape(regel.question_type or regel.operation)}"
    )


def _receipt(receipt: str) -> str:
    """Row, counter, and the first digits of the hash."""
    head, colon, digits = receipt.rpartition(":")
    return f"{head}{colon}{digits[:16]}{'…' if len(digits) > 16 else ''}"


def _shortened(rubrieken: str, most: int = 12) -> str:
    found = rubrieken.split(", ")
    return rubrieken if len(found) <= most else f"{', '.join(found[:most])}, … ({len(found)})"


def _verdict(checks: Sequence[Check]) -> str:
    wrong = mismatches(checks)
    if not wrong:
        return f"[green]✓ as expected[/] [dim]({len(checks)} checks)[/]"
    return "\n".join(
        f"[bold red]✗ {escape(one.what)}: expected {escape(str(one.expected))}, found {escape(str(one.found))}[/]"
        for one in wrong
    )
