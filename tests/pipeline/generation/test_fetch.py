"""Addresses that pass as public in one form or another; the downloads are tested in end_to_end/test_hostile.py."""

import pytest

from pipeline.config import Images
from pipeline.errors import ImageError
from pipeline.generation.fetch import check_address, fetch

PRIVATE = ("127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "168.63.129.16")
FORMS = {
    "plain": "{}",
    "mapped": "::ffff:{}",
    "translated (SIIT)": "::ffff:0:{}",
    "compatible": "::{}",
    "NAT64": "64:ff9b::{}",
    "NAT64 of local use": "64:ff9b:1::{}",
    "NAT64 of local use, longer": "64:ff9b:1:ffff::{}",
    "ISATAP": "2001:4860::5efe:{}",
    "ISATAP, universal": "2001:4860::200:5efe:{}",
}


@pytest.mark.parametrize("private", PRIVATE)
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_private_address_is_refused_in_every_form(private, form):
    with pytest.raises(ImageError, match="not public"):
        check_address(form.format(private), Images())


@pytest.mark.parametrize(
    "address",
    [
        "::", "::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "feff::1", "ff02::1",
        "2002:7f00:1::", "2002:a9fe:a9fe::", "2001:0:7f00:1::", "2001:db8::1", "3fff::1", "100::1",
        "5f00::1", "64:ff9b:1::808:808", "4000::1", "0.1.2.3", "100.64.0.1", "100.100.100.200",
        "192.0.0.192", "192.0.0.9", "192.88.99.1", "192.0.2.1", "198.18.0.1", "224.0.0.1",
        "240.0.0.1", "255.255.255.255",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public(address):
    with pytest.raises(ImageError, match="not public"):
        check_address(address, Images())


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "8.8.8.8",
        "2606:4700::1111",
        "::ffff:1.1.1.1",
        "64:ff9b::1.1.1.1",
        "2002:808:808::1",
    ],
)
def test_public_addresses_are_allowed(address):
    check_address(address, Images())


@pytest.mark.parametrize("host", ["[64:ff9b::a9fe:a9fe]", "[::ffff:0:127.0.0.1]", "168.63.129.16"])
def test_no_connection_is_made_to_what_is_refused(host):
    with pytest.raises(ImageError, match="not public"):
        fetch(f"http://{host}:9/a.png", Images())
