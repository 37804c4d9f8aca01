"""What the sealer signs and delivers with, made from its settings once at the start."""

from dataclasses import replace

from tenants.checkpoints import read_retired_keys, read_signing_keys
from tenants.config import SealerConfig
from tenants.delivery.sending import Ways
from tenants.fetch import read_rules
from tenants.notices.sending import NoticeWays
from tenants.notices.signing import read_notice_keys
from tenants.sealer.notes import remember_keys
from tenants.sealer.signing import Signer


def signer_of(config: SealerConfig) -> Signer | None:
    """The signer; None without a key. Raises OSError, ValueError."""
    if config.checkpoint_key_file is None:
        return None
    pem = config.checkpoint_key_file.read_bytes()
    signer = Signer(
        tuple(read_signing_keys(pem)),
        config.checkpoint_origin,
        config.checkpoint_directory,
        tuple(read_retired_keys(pem)),
    )
    if signer.directory is None:
        return signer
    signer.directory.mkdir(parents=True, exist_ok=True)
    return replace(signer, retired=tuple(remember_keys(signer.directory, signer.prefix, signer.known_keys())))


def ways_of(config: SealerConfig, signer: Signer | None = None) -> Ways:
    """The ways out that the operator has set up. Raises ValueError for a network that is none."""
    fetch = None
    if config.delivery_hosts:
        fetch = read_rules(config.delivery_hosts, config.delivery_internal, config.delivery_anchors_file)
    keys = () if signer is None else tuple(signer.known_keys())
    return Ways(config.delivery_share, fetch, config.smtp_url, config.smtp_from, keys)


def notice_ways_of(config: SealerConfig, ways: Ways) -> NoticeWays:
    """How notices leave: by the ways of checkpoints, webhooks signed. Raises OSError, ValueError for keys that are none."""
    operator = tuple(one for one in config.operator_contacts.split(",") if one)
    return NoticeWays(ways, read_notice_keys(config.notice_keys_file), operator)
