"""What the registry refuses is told in words: every rule of its schema has some, and none becomes a 500."""

import asyncpg
import pytest

from tenants.words.constraints import WORDS, has_words, words_of_constraint

RULES = """
SELECT c.conname AS name FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid
  WHERE t.relnamespace = 'registry'::regnamespace
UNION SELECT i.relname FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
  WHERE x.indisunique AND i.relnamespace = 'registry'::regnamespace
UNION SELECT c.conname FROM pg_constraint c JOIN pg_type t ON t.oid = c.contypid
  WHERE t.typnamespace = 'registry'::regnamespace
"""
# What only the product itself writes: breaking one of these is a fault of the product, not of who asks.
OWN = (
    "admin_key_", "answered_request_", "blokkade_", "certificate_", "credential_", "doelbinding_", "environment_",
    "quota_day_", "tenant_key_", "wijziging_", "crl_", "rvig_stand_", "verbindingstest_",
    "shared_token_", "rate_bucket_", "history_key_", "operator_",
    "melding_", "bezorging_", "postbus_",
)  # fmt: skip


async def test_every_rule_of_the_registry_has_words(admin: asyncpg.Connection):
    rules = {row["name"] for row in await admin.fetch(RULES)}
    assert len(rules) > 250
    assert sorted(name for name in rules if not has_words(name) and not name.startswith(OWN)) == []


async def test_no_words_are_kept_of_a_rule_that_is_gone(admin: asyncpg.Connection):
    # What is answered to the sealer's findings is kept in the register's schema, and said by the same words.
    both = [RULES, RULES.replace("'registry'", "'register'")]
    rules = {row["name"] for query in both for row in await admin.fetch(query)}
    bodies = "".join(
        row["prosrc"]
        for row in await admin.fetch(
            "SELECT prosrc FROM pg_proc WHERE pronamespace IN ('registry'::regnamespace, 'register'::regnamespace)"
        )
    )
    # One trigger names its rule by the table that it holds.
    rules |= {
        f"{row['relname']}_of_tenant_itself"
        for row in await admin.fetch(
            "SELECT c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
            "WHERE t.tgfoid = 'registry.hold_eigen'::regproc"
        )
    }
    # What is no rule of a table is raised by a trigger.
    assert sorted(name for name in WORDS.keys() - rules if f"'{name}'" not in bodies) == []


@pytest.mark.parametrize("name", WORDS)
def test_words_are_a_sentence_with_a_status_that_is_the_askers(name: str):
    status, words = words_of_constraint(None, name)
    assert status in {400, 404, 409}
    assert words.endswith(".")


def test_a_rule_of_a_type_is_found_by_the_type():
    assert words_of_constraint(None, None, "oin") == WORDS["oin_check"]
