"""RvIG's cases pass, and the runner that says so fails where it must."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.conformance.__main__ import main, read_folder, report
from tests.conformance.cases import Case, Claims, Expected, Unreadable, read_case, read_file
from tests.conformance.judging import Came, Verdict, judge
from tests.conformance.registering import share_out
from tests.conformance.running import run_files
from tests.databases import Cluster

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "brp" / "cases"
FILES = ("autorisatie", "gezag-header", "http", "protocollering", "validatie")

PATH = "/haalcentraal/api/brp/personen"
RFC = "https://datatracker.ietf.org/doc/html/rfc7231#section-"
GEMEENTE = {"OIN": "000000099000000070000", "afnemerID": "000007", "gemeenteCode": "0700"}
NO_GEMEENTE = {"OIN": "000000099000000070000", "afnemerID": "000007"}
RECORD = {
    "pl_id": "1",
    "burgerservicenummer": "000000012",
    "request_zoek_rubrieken": "010120",
    "request_gevraagde_rubrieken": "010240",
}


def made(id_: str, **members: Any) -> dict[str, Any]:
    """A case as it stands in a file: a question for one person that is answered."""
    body = {
        "type": "RaadpleegMetBurgerservicenummer",
        "burgerservicenummer": ["000000012"],
        "fields": ["naam.geslachtsnaam"],
    }
    return {
        "id": id_,
        "api": "personen",
        "claims": GEMEENTE,
        "method": "POST",
        "path": PATH,
        "headers": {"Accept": "application/json", "Content-Type": "application/json"},
        "body": body,
        "expect": {"status": 200},
    } | members


def recorded(id_: str, *records: Mapping[str, str], **members: Any) -> dict[str, Any]:
    """A case about protocol records: one person stands in the answer."""
    about = {
        "answer_persons": [{"pl_id": "1", "burgerservicenummer": "000000012"}],
        "downstream": {"status": 200, "headers": {"x-geleverde-pls": "1"}},
        "expect": list(records),
    }
    return made(id_, **(about | members))


def refused(status: int, section: str, title: str, **members: str) -> dict[str, Any]:
    """What a case expects that RvIG refuses."""
    problem = {"type": RFC + section, "title": title, "status": status, "instance": PATH} | members
    return {"status": status, "problem": problem}


def verdicts_of(cluster: Cluster, *values: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    found = run_files({"own.jsonl": [read_case(value) for value in values]}, cluster)
    return {one.id: one.reasons for one in found["own.jsonl"]}


def write(folder: Path, name: str, *values: object) -> Path:
    path = folder / name
    path.write_bytes(b"\n".join(orjson.dumps(value) for value in values) + b"\n")
    return path


def row(rubrieken: str, start: object = 20201128, end: object = None, **members: Any) -> dict[str, Any]:
    """A row of the autorisatietabel of the afnemer that asks."""
    return {
        "afnemer_code": "000007",
        "tabel_regel_start_datum": start,
        "tabel_regel_eind_datum": end,
        "ad_hoc_medium": "N",
        "ad_hoc_rubrieken": rubrieken,
    } | members


def bewoning(id_: str, **members: Any) -> dict[str, Any]:
    """A case about an address of which RvIG knows where it lies."""
    body = {
        "type": "BewoningMetPeildatum",
        "peildatum": "2022-01-01",
        "adresseerbaarObjectIdentificatie": "0518010000000002",
    }
    known = [{"gemeente_code": "0518", "adresseerbaar_object_identificatie": "0518010000000002"}]
    path = "/haalcentraal/api/bewoning/bewoningen"
    return made(id_, api="bewoningen", path=path, body=body, autorisatietabel=[], adressen=known, **members)


@pytest.mark.timeout(300)
def test_every_case_of_rvig_passes(postgres_cluster: Cluster) -> None:
    missing = [name for name in FILES if not (SHARED / f"{name}.jsonl").is_file()]
    if missing:
        pytest.skip(f"no test cases of RvIG beside the project: {', '.join(missing)}")
    files = read_folder(SHARED, FILES)
    verdicts = run_files(files, postgres_cluster)
    assert {name: len(those) for name, those in verdicts.items()} == {name: len(files[name]) for name in files}
    assert [line for line in report(verdicts, shown=None) if line.startswith(" ")] == []


def test_a_failing_source_comes_back_in_rvigs_words_and_another_answer_untouched(postgres_cluster: Cluster) -> None:
    many = {"type": RFC + "6.5.1", "title": "Teveel zoekresultaten.", "status": 400, "code": "tooManyResults"}
    problem = {"Content-Type": "application/problem+json"}
    assert verdicts_of(
        postgres_cluster,
        made("404", downstream={"status": 404}, expect=refused(404, "6.5.4", "Opgevraagde resource bestaat niet.")),
        made("500", downstream={"status": 500}, expect=refused(500, "6.6.1", "Internal Server error.")),
        made(
            "502",
            downstream={"status": 502},
            expect=refused(502, "6.6.4", "Bronservice is tijdelijk niet beschikbaar."),
        ),
        made(
            "400",
            downstream={"status": 400, "headers": problem, "body": many},
            expect={"status": 400, "problem": many},
        ),
    ) == {"404": (), "500": (), "502": (), "400": ()}


def test_one_afnemer_asks_with_and_without_gemeentecode_and_gets_its_own_gezag_header(
    postgres_cluster: Cluster,
) -> None:
    new = {"expect": {"status": 200, "upstream_headers": {"accept-gezag-version": "2"}}}
    old = {"expect": {"status": 200, "upstream_headers": {"accept-gezag-version": None}}}
    known = {"existing_gezag_oins": [GEMEENTE["OIN"]]}
    assert verdicts_of(
        postgres_cluster,
        made("gemeente, new", **new),
        made("gemeente, known", **old, **known),
        made("no gemeente, known", claims=NO_GEMEENTE, **old, **known),
        made("no gemeente, new", claims=NO_GEMEENTE, **new),
        made("another path", path="/haalcentraal/api/other/personen"),
    ) == dict.fromkeys(
        ["gemeente, new", "gemeente, known", "no gemeente, known", "no gemeente, new", "another path"], ()
    )


def test_a_case_fails_when_something_else_comes_than_it_expects(postgres_cluster: Cluster) -> None:
    method = refused(405, "6.5.5", "Een andere titel.", code="methodNotAllowed")
    unasked = {"status": 200, "upstream_headers": {"accept-gezag-version": "1"}}
    other = RECORD | {"burgerservicenummer": "000000024"}
    found = verdicts_of(
        postgres_cluster,
        recorded("right", RECORD),
        recorded("nobody", answer_persons=[], downstream={"status": 200, "headers": {}}),
        made("status", expect={"status": 400}),
        made("problem", method="GET", body=None, expect=method),
        made("upstream", expect=unasked),
        made("not reached", method="GET", body=None, expect={"status": 405, "upstream_headers": {"a": None}}),
        recorded("rubrieken", RECORD | {"request_gevraagde_rubrieken": "010240, 010310"}),
        recorded("zoekrubrieken", RECORD | {"request_zoek_rubrieken": ""}),
        recorded("person", other),
        recorded("too few", RECORD, other),
        recorded("too many"),
        recorded("not answered", RECORD, method="GET"),
    )
    assert [id_ for id_, reasons in found.items() if not reasons] == ["right", "nobody"]
    assert found["status"] == ("status 200, expected 400",)
    assert found["problem"] == (
        "title: 'Gebruikte bevragingsmethode is niet toegestaan.', expected 'Een andere titel.'",
    )
    assert found["upstream"] == ("upstream accept-gezag-version: '2', expected '1'",)
    assert found["not reached"] == ("no call reached RvIG",)
    assert found["too many"][0].startswith("record too many")
    assert found["not answered"] == ("status 405, expected 200", "the call is not in the register")


@pytest.mark.parametrize(
    ("bend", "reason"),
    [
        ({"unheard_of": 1}, "case: members are not known: unheard_of"),
        ({"expect": {"status": 200, "seconds": 1}}, "expect: members are not known: seconds"),
        ({"expect": {}}, "expect: a status was expected"),
        ({"expect": [{"anummer": "1"}]}, "expect: members are not known: anummer"),
        ({"downstream": {"delay": 1, "status": 200}}, "downstream: members are not known: delay"),
        ({"claims": {"OIN": "1", "afnemerID": "000007"}}, "claims: this is no OIN"),
        ({"claims": GEMEENTE | {"afnemerID": "7"}}, "claims: this is no AfnemerID"),
        ({"claims": GEMEENTE | {"mailboxid": "7"}}, "claims: members are not known: mailboxid"),
        ({"claims": GEMEENTE | {"gemeenteCode": "7"}}, "claims: this is no gemeenteCode"),
        ({"answer_persons": 7}, "answer_persons: an array was expected"),
        ({"body": []}, "body: an object was expected"),
        ({"autorisatietabel": [row("10120", start="gisteren")]}, "autorisatietabel: a day was expected"),
        ({"autorisatietabel": [row("10120") | {"pl_id": 1}]}, "autorisatietabel: members are not known: pl_id"),
        (
            {"adressen": [{"gemeente_code": "0518"}]},
            "adressen: a gemeente_code and an adresseerbaar_object_identificatie were expected",
        ),
    ],
)
def test_a_case_of_an_unknown_shape_is_refused(bend: dict[str, Any], reason: str) -> None:
    with pytest.raises(Unreadable) as refusal:
        read_case(made("bent", **bend))
    assert str(refusal.value) == reason


def test_what_cannot_be_read_counts_as_a_failed_case(tmp_path: Path, postgres_cluster: Cluster) -> None:
    path = write(tmp_path, "strange.jsonl", made("strange", surprise=True), [], {"id": "bare"})
    path.write_bytes(path.read_bytes() + b"{no json\n")
    verdicts = run_files({"strange.jsonl": read_file(path)}, postgres_cluster)["strange.jsonl"]
    assert [(one.id, one.passed) for one in verdicts] == [
        ("strange", False),
        ("line 2", False),
        ("bare", False),
        ("line 4", False),
    ]


def test_the_command_ends_with_0_only_when_every_case_passed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "good.jsonl", made("good"))
    assert main([str(tmp_path)]) == 0
    write(tmp_path, "wrong.jsonl", made("wrong", surprise=True), made("good"))
    assert main([str(tmp_path), "--only", "wrong"]) == 1
    assert "wrong.jsonl      1 passed      1 failed" in capsys.readouterr().out


def test_the_command_does_not_call_nothing_a_success(tmp_path: Path) -> None:
    assert main([str(tmp_path)]) == 2
    assert main([str(tmp_path / "absent")]) == 2
    write(tmp_path, "good.jsonl", made("good"))
    assert main([str(tmp_path), "--only", "http"]) == 2


def test_the_report_shows_the_first_failures_and_all_when_asked() -> None:
    verdicts = {"a.jsonl": [Verdict(str(number), ("why",), "feature") for number in range(7)]}
    assert len(report(verdicts, shown=5)) == 1 + 5 + 1
    assert report(verdicts, shown=None)[-2:] == ["  6: why", "    feature"]


def test_claims_with_one_afnemer_id_never_stand_in_one_registry() -> None:
    claims = [
        Claims(f"0000009900000{oin:04d}000", f"00000{n}", code) for oin in (1, 2) for n in (1, 2) for code in ("", "1")
    ]
    shared = share_out(claims + claims)
    assert sorted(one for those in shared for one in those) == sorted(claims)
    assert all(len({one.afnemer_id for one in those}) == len(those) for those in shared)
    assert len(shared) == 4


def test_each_expected_record_needs_a_record_of_its_own() -> None:
    expected = Expected(records=({"burgerservicenummer": "1"}, {"burgerservicenummer": "1", "rubrieken": "2"}))
    one, two = {"burgerservicenummer": "1", "rubrieken": "2"}, {"burgerservicenummer": "1", "rubrieken": "3"}
    assert judge(expected, Came(200, records=[two, one])) == ()
    assert len(judge(expected, Came(200, records=[one]))) == 1
    assert len(judge(expected, Came(200, records=[two, two]))) == 2


def test_invalid_params_count_in_their_order_and_the_media_type_counts() -> None:
    params = [{"name": "a"}, {"name": "b"}]
    expected = Expected(status=400, problem={"status": 400, "invalidParams": params})
    document = {"status": 400, "invalidParams": params[::-1]}
    assert judge(expected, Came(400, "application/problem+json", expected.problem)) == ()
    assert len(judge(expected, Came(400, "application/problem+json", document))) == 1
    assert len(judge(expected, Came(400, "application/json", expected.problem))) == 1


def test_a_case_without_fault_is_read_whole() -> None:
    case = read_case(recorded("whole", RECORD))
    assert case == Case(
        "whole",
        api="personen",
        method="POST",
        path=PATH,
        headers=case.headers,
        body=case.body,
        claims=Claims("00000099000000070000", "000007", "0700"),
        downstream=case.downstream,
        persons=("000000012",),
        expected=Expected(records=({name: value for name, value in RECORD.items() if name != "pl_id"},), calls=1),
    )


def test_a_case_is_asked_with_its_own_table_and_no_other(postgres_cluster: Cluster) -> None:
    field = {
        "code": "unauthorizedField",
        "detail": "U bent niet geautoriseerd om de volgende gegevens op te vragen met fields: naam.geslachtsnaam",
    }
    refusal = refused(403, "6.5.3", "U bent niet geautoriseerd voor één of meerdere opgegeven field waarden.", **field)
    nothing = {"code": "unauthorized", "detail": "Niet geautoriseerd voor ad hoc bevragingen."}
    api = refused(403, "6.5.3", "U bent niet geautoriseerd voor het gebruik van deze API.", **nothing)
    about = {
        "may": ([row("10120 10240")], {"status": 200}),
        "field": ([row("10120")], refusal),
        "no table": (None, {"status": 200}),
        "no row": ([], api),
        "from tomorrow": ([row("10120 10240", start="morgen")], api),
        "until today": ([row("10120 10240", end="vandaag")], api),
        "until tomorrow": ([row("10120 10240", end="morgen")], {"status": 200}),
        "post only": ([row("10120 10240", ad_hoc_medium="B")], api),
        "of another": ([row("10120 10240", afnemer_code="000008")], api),
    }  # fmt: skip
    cases = [
        made(id_, claims=NO_GEMEENTE, expect=expect, **({} if table is None else {"autorisatietabel": table}))
        for id_, (table, expect) in about.items()
    ]
    assert verdicts_of(postgres_cluster, *cases) == dict.fromkeys(about, ())


def test_only_rvig_knows_where_an_address_lies_so_only_then_a_refusal_costs_a_call(postgres_cluster: Cluster) -> None:
    why = "Je mag alleen bewoning van adresseerbare objecten binnen de eigen gemeente raadplegen."
    refusal = refused(403, "6.5.3", "U bent niet geautoriseerd voor deze vraag.", code="unauthorized", detail=why)
    refusal["problem"]["instance"] = "/haalcentraal/api/bewoning/bewoningen"
    asked = read_case(bewoning("elsewhere", expect=refusal))
    assert (asked.expected.calls, read_case(made("asked")).expected.calls) == (1, 1)
    assert read_case(made("refused", expect={"status": 403})).expected.calls == 0
    assert verdicts_of(
        postgres_cluster,
        bewoning("elsewhere", expect=refusal),
        bewoning("own", claims=GEMEENTE | {"gemeenteCode": "0518"}, expect={"status": 200}),
    ) == {"elsewhere": (), "own": ()}


def test_a_refusal_that_cost_a_call_is_a_failure_and_so_is_an_answer_without_one() -> None:
    assert judge(Expected(status=403, calls=0), Came(403, calls=0)) == ()
    assert judge(Expected(status=403, calls=0), Came(403, calls=1)) == ("1 calls reached RvIG, expected 0",)
    assert judge(Expected(status=200, calls=1), Came(200, calls=0)) == ("0 calls reached RvIG, expected 1",)
