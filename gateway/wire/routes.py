"""The way to an environment's servers: who knows their names, from which address, and through which proxy.

Made once, from the catalogue. Without a `network` the way is that of the surroundings. With a proxy the gateway looks up
the proxy alone, and RvIG's name goes to the proxy as it is (CONNECT); the TLS connection inside is between this gateway
and RvIG, so the proxy sees neither question nor identity. Refuses (CatalogueError) a file of proxy credentials that
cannot be read.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from yarl import URL

from gateway.catalogue import Catalogue, CatalogueError, Network
from gateway.wire.resolving import Asking, OwnResolver


@dataclass(frozen=True, slots=True)
class Way:
    """How connections of one environment are made. `proxy_headers` may hold the proxy's credentials."""

    resolver: OwnResolver | None = None
    source: str | None = None
    proxy: URL | None = None
    proxy_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    network: Network | None = None

    def connector_settings(self) -> dict[str, Any]:
        """What aiohttp's connector is made with."""
        settings: dict[str, Any] = {}
        if self.resolver is not None:
            # The resolver keeps answers for as long as they say; a second cache would keep them longer.
            settings |= {"resolver": self.resolver, "use_dns_cache": False}
        if self.source is not None:
            settings["local_addr"] = (self.source, 0)
        return settings

    def words(self, host: str) -> str:
        """Which way is taken to this host, in Dutch, for whoever tests the connection."""
        parts = []
        network = self.network
        own = host if self.proxy is None else self.proxy.host or ""
        if network is not None and own in network.addresses:
            parts.append(f"vaste adressen voor {own} uit de catalogus")
        elif network is not None and network.resolver is not None:
            parts.append(f"resolver {network.resolver} uit de catalogus")
        else:
            parts.append("de resolver van het besturingssysteem")
        if self.source is not None:
            parts.append(f"bronadres {self.source}")
        if self.proxy is not None:
            parts.append(f"proxy {self.proxy.host}:{self.proxy.port} (CONNECT)")
        return ", ".join(parts)


DIRECT = Way()


def make_ways(catalogue: Catalogue) -> dict[str, Way]:
    """The way of each environment by name. Raises CatalogueError."""
    return {name: make_way(environment.network) for name, environment in catalogue.environments.items()}


def make_way(network: Network | None) -> Way:
    """One way. Raises CatalogueError."""
    if network is None:
        return DIRECT
    resolver = None
    if network.addresses or network.resolver is not None:
        server = network.resolver_place
        asking = None if server is None else Asking(server, network.source_for(server[0]))
        version = None if network.source_address is None else ip_address(network.source_address).version
        resolver = OwnResolver(network.addresses, asking, version=version)
    headers: dict[str, str] = {}
    if network.proxy_credentials_file is not None:
        pair = _read_pair(Path(network.proxy_credentials_file))
        headers["Proxy-Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    proxy = None if network.proxy is None else URL(network.proxy)
    return Way(resolver, network.source_address, proxy, headers, network)


def _read_pair(path: Path) -> str:
    """`user:password`, one line. The message of a fault holds the path and nothing of what stands in the file."""
    try:
        pair = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise CatalogueError(f"The proxy's credentials cannot be read from {path}.") from None
    if ":" not in pair or not pair.isprintable():
        raise CatalogueError(f"{path} must hold user:password, on one line.")
    return pair
