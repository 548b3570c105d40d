"""E-mail addresses: which ones are deliverable, and in which spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.files.email_address import deliverable


@pytest.mark.parametrize(
    "address",
    [
        "a@b.de",
        "first.last+tag@sub.example-shop.com",
        "o'neill_&!#$%*/=?^`{|}~@example.org",
        "1@2.com",
        "x" * 64 + "@example.org",
        "x@" + "l" * 63 + ".org",
        "x@xn--bcher-kva.example",
        "x@" + ".".join(["l" * 61] * 4) + ".org",
    ],
)
def test_valid_addresses(address: str) -> None:
    assert deliverable(address) == address


@pytest.mark.parametrize(
    ("address", "encoded"),
    [
        ("x@bücher.example", "x@xn--bcher-kva.example"),
        ("x@BÜCHER.example", "x@xn--bcher-kva.example"),
        ("x@straße.example", "x@xn--strae-oqa.example"),  # not strasse.example, which is another domain
        ("x@почта.example", "x@xn--80a1acny.example"),
        ("x@例え。example", "x@xn--r8jz45g.example"),
    ],
)
def test_an_international_domain_gets_its_ascii_form(address: str, encoded: str) -> None:
    assert deliverable(address) == encoded


@pytest.mark.parametrize(
    "address",
    [
        "nobody",
        "@example.org",
        "x@",
        "x@example",
        "x@@example.org",
        "x@y@example.org",
        "x y@example.org",
        "x@exam ple.org",
        ".x@example.org",
        "x.@example.org",
        "x..y@example.org",
        '"x"@example.org',
        "<x@example.org>",
        "x@.org",
        "x@example..org",
        "x@example.org.",
        "x@-example.org",
        "x@example-.org",
        "x@under_score.org",
        "x@192.0.2.1",
        "x@[192.0.2.1]",
        "ü@example.org",
        "x\u200b@example.org",
        "x" * 65 + "@example.org",
        "x@" + "l" * 64 + ".org",
        "x@" + ".".join(["l" * 61] * 4) + ".orgs" + "x" * 5,
        "x@" + "ü" * 64 + ".org",
        "x@" + "ü." * 300 + "org",
        "x@ü",
        "x@\u200d.example",
        "x;y@example.org",
        "x,y@example.org",
    ],
)
def test_invalid_addresses(address: str) -> None:
    assert deliverable(address) is None


@given(st.text(max_size=80).map("@".join) | st.text(max_size=300))
def test_deliverable_addresses_are_ascii(text: str) -> None:
    address = deliverable(text)
    if address is not None:
        local, at, domain = address.partition("@")
        assert address.isascii()
        assert at
        assert 0 < len(local) <= 64
        assert "." in domain
        assert len(address) <= 254
        assert deliverable(address) == address
