"""Which requests the page refuses, by where they come from."""

import pytest
from starlette.datastructures import Headers

from hicmae.serve.addresses import is_loopback, refusal


@pytest.mark.parametrize(
    ("host", "alone"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104
        ("::", False),
    ],
)
def test_knows_addresses_of_this_computer_alone(host: str, alone: bool) -> None:
    assert is_loopback(host) == alone


@pytest.mark.parametrize(
    ("host", "taken"),
    [
        ("127.0.0.1:7860", True),
        ("LOCALHOST", True),
        ("[::1]:7860", True),
        ("evil.example:7860", False),
        ("127.0.0.1.evil.example", False),
        ("[::1", False),
        ("", False),
    ],
)
def test_a_page_for_this_computer_has_its_names_alone(host: str, taken: bool) -> None:
    headers = Headers({"Host": host})
    assert (refusal("GET", headers, only_here=True) == "") == taken
    assert refusal("GET", headers, only_here=False) == ""


@pytest.mark.parametrize(
    ("headers", "taken"),
    [
        ({}, True),
        ({"Origin": "http://emotions.example:7860"}, True),
        ({"Origin": "http://emotions.example"}, False),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "https://before.example", "Sec-Fetch-Site": "same-origin"}, True),  # a proxy
        ({"Origin": "http://emotions.example:80", "Sec-Fetch-Site": "same-site"}, False),
        ({"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, False),
    ],
)
def test_other_sites_may_read_but_ask_for_nothing(headers: dict[str, str], taken: bool) -> None:
    headers = {"Host": "emotions.example:7860"} | headers
    assert (refusal("POST", Headers(headers), only_here=False) == "") == taken
    assert refusal("GET", Headers(headers), only_here=False) == ""
