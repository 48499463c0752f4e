"""What can be typed, for both sides of the wire."""

from __future__ import annotations

import pytest

from vivant.errors import InvalidRequest
from vivant.texts import require_text, require_unicode


@pytest.mark.parametrize("text", ["a", "x" * 4000, "\n Where?\t", "👩‍👩‍👧", "مرحبا", "...", "?", "e\u0301", "\ue000"])
def test_what_can_be_seen_can_be_said(text: str) -> None:
    assert require_text(text) == text.strip()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty_text"),
        (" \t\n", "empty_text"),
        ("\u00a0\u2003", "empty_text"),
        ("\u200b\ufeff\u2060 \u00ad", "empty_text"),
        ("\x07\x1b", "empty_text"),
        ("x" * 4001, "text_too_long"),
        ("caf\udce9", "bad_unicode"),
        ("half \ud83d of it", "bad_unicode"),
        ("nul\0", "bad_unicode"),
    ],
)
def test_what_cannot_be_said(text: str, reason: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        require_text(text)
    assert caught.value.reason == reason
    assert len(caught.value.message.splitlines()) == 1 and caught.value.message.isprintable()


def test_space_around_a_text_does_not_count() -> None:
    assert require_text(" " * 10_000 + "x" * 4000 + "\n") == "x" * 4000


def test_where_a_name_is_no_text_is_told() -> None:
    require_unicode("participant", "Zoë 你好 👩")
    with pytest.raises(InvalidRequest, match="participant: character 3"):
        require_unicode("participant", "Zo\udceb")
