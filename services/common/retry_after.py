"""When a server that has refused a request wants to be asked again."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime


def asked_to_wait_s(headers: Mapping[str, str]) -> float | None:
    """After how many seconds a server wants to be asked again: Retry-After, in seconds or as a date (RFC 9110, 10.2.3)."""
    told = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", told):
        return float(told)
    try:
        return max(0.0, parsedate_to_datetime(told).timestamp() - time.time())
    except ValueError:
        return None
