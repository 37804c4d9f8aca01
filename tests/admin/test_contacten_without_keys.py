"""Without notice keys nobody has a webhook, and is told why."""

from tests.admin.conftest import Api


async def test_without_keys_of_the_operator_a_contact_has_no_webhook(api: Api):
    body = {"soort": "fg", "naam": "FG", "webhook": "https://testdam.example/"}
    refused = await api.ask("POST", "/v1/contacten", by="beheerder", json=body)
    assert refused.status == 400
    assert "niet ingericht" in refused.text
