"""What counts as a reply that begins again, though memory had begun it."""

import pytest

from bench.llm.generating import Begun


@pytest.mark.parametrize(
    ("opening", "reply", "again"),
    [
        ("My knees complain about it.", " They are good knees.", False),
        ("My knees complain about it.", " My knees complain about it. They are good knees.", True),
        ("My knees complain about it.", " Well, my knees complain, you know.", True),
        ("My knees complain about", " it, and my knees are right.", False),
        ("Good morning", ". I slept like a stone.", False),
        ("Good morning", "Good morning to you.", True),
    ],
)
def test_a_beginning_that_is_said_once_more_is_seen(opening: str, reply: str, *, again: bool) -> None:
    assert Begun(opening, reply).again is again
