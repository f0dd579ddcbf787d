"""Under which addresses the page is reached, and from which pages it may be asked."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

_ONLY_READ = {"GET", "HEAD", "OPTIONS"}


def is_loopback(host: str) -> bool:
    """Whether only this computer reaches what listens at an address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def in_url(host: str) -> str:
    """A host as URLs name it: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def refusal(method: str, headers: Mapping[str, str], *, only_here: bool) -> str:
    """Why a request is refused; empty if it is not.

    Programs that are no browsers send neither Origin nor Sec-Fetch-Site. Browsers leave the second
    out over http from other computers; before the first it counts, since proxies may change Host.

    Args:
        method: What is asked.
        headers: Its headers, by names that know no case.
        only_here: Whether the page listens for this computer alone. Then a name of somebody else
            that was made to lead here is refused, under which a site could read the page.
    """
    host = headers.get("host", "")
    if only_here and not is_loopback(_name(host)):
        return "This page is for this computer alone: open it as hicmae says, or choose a --host."
    if method in _ONLY_READ:
        return ""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        foreign = site not in {"same-origin", "none"}
    else:
        foreign = origin is not None and origin.partition("://")[2].lower() != host.lower()
    return "Another site asked for this: open the page at its own address." if foreign else ""


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
