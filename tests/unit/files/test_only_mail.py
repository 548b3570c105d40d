"""The only recipients of a test installation: domains and addresses, in any spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.config.settings import Settings
from shared.files.only_mail import OnlyMail

ALLOWED = OnlyMail.parse("Example.com; anna@example.org,\n@bücher.example")


@pytest.mark.parametrize(
    "address",
    [
        *("x@example.com", "X@EXAMPLE.COM", " x@example.com ", "anna@example.org", "ANNA@Example.Org"),
        *("x@bücher.example", "x@xn--bcher-kva.example"),
    ],
)
def test_allowed_recipients_are_included_however_they_are_spelt(address: str) -> None:
    assert ALLOWED.includes(address)


@pytest.mark.parametrize(
    "address",
    [
        *("", "@", "example.com", "x@mail.example.com", "x@example.com.evil.example", "x@notexample.com"),
        *("ann@example.org", "hanna@example.org", "anna@example.org@evil.example", "4711"),
    ],
)
def test_everybody_else_is_not(address: str) -> None:
    assert not ALLOWED.includes(address)


@given(st.text())
def test_nobody_is_included_by_an_odd_address(text: str) -> None:
    assert ALLOWED.includes(text) <= text.strip().lower().endswith(("example.com", "example.org", ".example"))


def test_another_setting_is_another_digest_and_another_order_is_not() -> None:
    assert OnlyMail.parse("b.example,a.example").digest == OnlyMail.parse(" a.example  @b.example").digest
    assert OnlyMail.parse("a.example").digest != OnlyMail.parse("x@a.example").digest


def test_nothing_shows_who_they_are() -> None:
    assert str(ALLOWED) == repr(ALLOWED) == "2 domains and 1 address of ONLY_MAIL"


@pytest.mark.parametrize("text", ["*", "example", "*.example.com", "a@b@c.example", ",", "anna@", "example.com?"])
def test_a_setting_that_could_mean_anything_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"ONLY_MAIL": text})
    (error,) = [error for error in caught.value.errors() if error["loc"] == ("ONLY_MAIL",)]
    assert "write domains and addresses" in error["msg"]
    assert f"'{text}'" not in str(caught.value)
