"""Which addresses outbound requests may use. `lookup` replaces the resolver; no socket is opened."""

import socket
from typing import Any

import pytest

from headwater.outbound.addresses import AddressRefused, classify, resolve
from headwater.outbound.sockets import Lookup

KINDS = {
    "93.184.216.34": "public",
    "2606:2800:220:1:248:1893:25c8:1946": "public",
    "10.0.0.1": "private",
    "172.16.0.1": "private",
    "192.168.1.1": "private",
    "192.0.2.1": "private",
    "198.18.0.1": "private",
    "100.64.0.1": "private",
    "fc00::1": "private",
    "fec0::1": "private",
    "2001:db8::1": "private",
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "::1": "loopback",
    "169.254.0.1": "link-local",
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local",
    "169.254.169.254": "metadata",
    "fd00:ec2::254": "metadata",
    "fd20:ce::254": "metadata",
    "100.100.100.200": "metadata",
    "192.0.0.192": "metadata",
    "168.63.129.16": "metadata",
    "224.0.0.1": "multicast",
    "ff02::1": "multicast",
    "0.0.0.0": "unspecified",
    "::": "unspecified",
    "255.255.255.255": "reserved",
    "240.0.0.1": "reserved",
    # IPv4 in IPv6: mapped, compatible, NAT64, 6to4, Teredo
    "::ffff:127.0.0.1": "loopback",
    "::ffff:10.0.0.1": "private",
    "::ffff:169.254.169.254": "metadata",
    "::ffff:93.184.216.34": "public",
    "::127.0.0.1": "loopback",
    "64:ff9b::7f00:1": "loopback",
    "64:ff9b::a9fe:a9fe": "metadata",
    "64:ff9b::5db8:d822": "public",
    "2002:7f00:1::": "loopback",
    "2002:a00:1::1": "private",
    "2001:0:4136:e378:8000:63bf:80ff:fffe": "loopback",
}


@pytest.mark.parametrize(("address", "kind"), KINDS.items())
def test_classify_recognizes_each_kind_of_address(address: str, kind: str) -> None:
    assert classify(address) == kind


def lookup_of(*addresses: str) -> Lookup:
    def lookup(host: str, port: int, **_options: Any) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    return lookup


@pytest.mark.parametrize("address", [a for a, kind in KINDS.items() if kind != "public"])
def test_resolve_rejects_addresses_that_are_not_public(address: str) -> None:
    with pytest.raises(AddressRefused):
        resolve("docs.example.org", 443, allow_private=False, lookup=lookup_of(address))


@pytest.mark.parametrize("address", [a for a, kind in KINDS.items() if kind in ("public", "private", "loopback")])
def test_allow_private_accepts_private_and_loopback_addresses(address: str) -> None:
    assert resolve("docs.example.org", 443, allow_private=True, lookup=lookup_of(address)) == [address]


@pytest.mark.parametrize("address", [a for a, kind in KINDS.items() if kind not in ("public", "private", "loopback")])
def test_allow_private_rejects_link_local_and_metadata_addresses(address: str) -> None:
    with pytest.raises(AddressRefused, match="never connects to"):
        resolve("docs.example.org", 443, allow_private=True, lookup=lookup_of(address))


def test_resolve_rejects_a_name_with_any_private_address() -> None:
    with pytest.raises(AddressRefused):
        resolve("docs.example.org", 443, allow_private=False, lookup=lookup_of("93.184.216.34", "10.0.0.1"))


def refusal(host: str, address: str, *, allow_private: bool = False) -> str:
    with pytest.raises(AddressRefused) as caught:
        resolve(host, 443, allow_private=allow_private, lookup=lookup_of(address))
    return caught.value.message


@pytest.mark.parametrize("address", [a for a, kind in KINDS.items() if kind != "public"])
def test_refusal_of_a_name_tells_neither_its_address_nor_the_kind(
    address: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert refusal("wiki.internal", address) == (
        "The address of wiki.internal is not public. This installation fetches from public addresses only "
        "(FETCH_PRIVATE)."
    )
    assert caplog.records[-1].__dict__["fields"]["address"] == address  # in the installation's own log
    if classify(address) not in ("private", "loopback"):
        message = refusal("wiki.internal", address, allow_private=True)
        assert message == "wiki.internal has an address that Headwater never connects to."


def test_refused_host_is_escaped() -> None:
    assert "a\\x1b[2Jb is not public" in refusal("a\x1b[2Jb", "10.0.0.1")


@pytest.mark.parametrize("spelling", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::1]", "[::ffff:127.0.0.1]"])
def test_unusual_spellings_of_loopback_are_rejected(spelling: str) -> None:
    with pytest.raises(AddressRefused, match="not public"):
        resolve(spelling, 80, allow_private=False)
