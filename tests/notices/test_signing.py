"""A webhook's secret is stored nowhere, is one contact's and one generation's, and signs what was sent and when."""

import base64
import hashlib
import hmac
import itertools

import pytest

from tenants.notices.signing import parse_notice_keys, signature_of, webhook_secret

OLD, NEW = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))


def test_secrets_of_contacts_generations_and_keys_are_all_different_and_come_again():
    keys = parse_notice_keys(f"{OLD}\n\n{NEW}\n")
    made = [webhook_secret(keys, *one) for one in itertools.product(keys.keys, (1, 2), (1, 11), (1, 2))]
    assert len(set(made)) == len(made) == 16
    assert all(one is not None and one.startswith("kpw_") for one in made)
    assert made == [
        webhook_secret(parse_notice_keys(f"{NEW}\n{OLD}"), *one)
        for one in itertools.product(keys.keys, (1, 2), (1, 11), (1, 2))
    ]


def test_the_last_line_is_the_key_of_new_secrets_and_a_key_that_is_gone_signs_nothing():
    both, one = parse_notice_keys(f"{OLD}\n{NEW}"), parse_notice_keys(NEW)
    assert both.current == one.current
    (gone,) = both.keys.keys() - one.keys.keys()
    assert webhook_secret(one, gone, 1, 1, 1) is None


def test_a_receiver_checks_the_signature_with_the_secret_as_it_was_shown():
    stamp, _, signed = signature_of("kpw_x", b'{"a":1}', 1767225600).partition(",v1=")
    assert stamp == "t=1767225600"
    assert signed == hmac.new(b"kpw_x", b'1767225600.{"a":1}', hashlib.sha256).hexdigest()


@pytest.mark.parametrize("text", ["", "\n", "kort", base64.b64encode(b"x" * 31).decode(), f"{OLD}\nö"])
def test_a_file_that_is_wrong_is_refused_without_showing_it(text):
    with pytest.raises(ValueError, match=r"^(Line \d+ of the notice keys|The file of notice keys)") as caught:
        parse_notice_keys(text)
    assert OLD not in str(caught.value)
    assert "kort" not in str(caught.value)
