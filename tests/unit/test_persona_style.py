"""Each setting under [conversation] of a persona.toml does what it says: from the file to what the dialog machine decides.

Everything on the way is the real thing: the file is read by the llm service, told as its contract tells it, and taken up by the
orchestrator. Only the clock is virtual.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from environment import ROOT
from services.common.audio import pcm_format
from services.llm.messages import persona_message
from services.llm.persona.persona import Conversing, load_persona
from services.orchestrator.dialog import effects as fx
from services.orchestrator.dialog import events as ev
from services.orchestrator.dialog.events import OverlapKind, Phase, PlaybackState
from services.orchestrator.session.opening import Opening
from services.orchestrator.session.style import performed, style_of
from services.orchestrator.settings import OrchestratorSettings
from tests.harness.data import PERSONAS
from tests.harness.virtual_talk import Talk, story
from vivant.errors import Unusable
from vivant.session.v1 import session_pb2

Opened = Callable[..., Opening]


class Styled(Talk):
    """A conversation with the persona's own patience."""

    def __init__(self, opening: Opening, **settings: Any) -> None:
        super().__init__()
        self.style = style_of(opening, OrchestratorSettings(**settings))


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    """Opens a session with Pip, who has these lines under [conversation]."""

    def opened(*lines: str) -> Opening:
        folder = tmp_path / "pip"
        shutil.copytree(PERSONAS / "pip", folder, dirs_exist_ok=True)
        before = (PERSONAS / "pip" / "persona.toml").read_text("utf-8")
        assert "[conversation]" not in before
        (folder / "persona.toml").write_text("\n".join([before, "[conversation]", *lines]), "utf-8")
        config = session_pb2.ConverseConfig(input_audio=pcm_format(16_000))
        return Opening(persona_message(load_persona(tmp_path, "pip")), config, pcm_format(24_000))

    return opened


SAID = ["where did you grow up", "I like it here", "I was thinking of this and that today"]
STORY = "let me tell you what happened to me last winter"


def cost_at_commit(opening: Opening, text: str) -> float:
    """What waiting costs when this is answered, to 1 %, while it grows from 0.01 to 300 s, all before the silence is a gap."""
    talk = Styled(opening)
    talk.say(text, 0, 1000, p=0.1)
    cost_s = 0.01
    for step in range(1040):
        talk(ev.EndOfTurn, 1410 + step / 13, "Spk1", 0.5, cost_s)
        if talk.of(fx.Commit):
            return cost_s
        cost_s *= 1.01
    raise AssertionError("it never answers")


@pytest.mark.parametrize("text", SAID)
def test_patience_is_the_price_of_breaking_in(opened: Opened, text: str) -> None:
    usual = cost_at_commit(opened(), text)
    assert cost_at_commit(opened("patience = 2"), text) == pytest.approx(2 * usual, rel=0.02)
    assert cost_at_commit(opened("patience = 0.5"), text) == pytest.approx(usual / 2, rel=0.02)


@pytest.mark.parametrize("patience", [0.5, 1, 2])
def test_patience_stretches_how_long_a_story_is_listened_to(opened: Opened, patience: float) -> None:
    talk = Styled(opened(f"patience = {patience}"))
    talk.say(STORY, 0, 1000, p=0.95)
    talk.until(1000 + 2000 * patience - 1)
    assert not talk.of(fx.Commit)
    talk.until(1000 + 2000 * patience + 1)
    assert len(talk.of(fx.Commit)) == 1


@pytest.mark.parametrize("text", [*SAID, STORY, "I grew up in, what's the word"])
@pytest.mark.parametrize("patience", [0.5, 1, 2])
def test_patience_stretches_the_longest_pause(opened: Opened, patience: float, text: str) -> None:
    talk = Styled(opened(f"patience = {patience}"))
    talk.say(text, 0, 1000, p=0.1)
    talk.until(1000 + 2500 * patience - 1)
    assert not talk.of(fx.Commit)
    talk.until(1000 + 2500 * patience + 1)
    assert len(talk.of(fx.Commit)) == 1


def speaking_over(talk: Talk) -> Phase:
    """The phase after somebody has interrupted a reply."""
    talk.say("where did you grow up", 0, 1500)
    talk.until(6000)
    turn_id = talk.answered(6000)
    talk(ev.SpeechStarted, 7000, "Spk1")
    talk(ev.Overlapped, 7300, "Spk1", OverlapKind.INTERRUPTION, probability=0.9)
    assert talk.state.phase is Phase.LISTENING or talk.state.turn_id == turn_id
    return talk.state.phase


def test_who_is_not_interruptible_speaks_to_the_end(opened: Opened) -> None:
    assert speaking_over(Styled(opened())) is Phase.LISTENING
    assert speaking_over(Styled(opened("interruptible = false"))) is Phase.SPEAKING
    assert speaking_over(Styled(opened("interruptible = true"), interruptible=False)) is Phase.SPEAKING


WORDS = 'backchannels = ["Mm-hm."]'


def test_half_duplex_only_speaks_or_listens(opened: Opened) -> None:
    opening = opened(WORDS, "half_duplex = true")
    assert speaking_over(Styled(opening)) is Phase.SPEAKING
    talk = Styled(opening)
    story(talk, 0, parts=3)
    assert talk.of(fx.Backchannel) == [fx.Backchannel(nod=True, voice=False)] * 3
    assert not opening.manner.backchannels, "or they would be spoken beforehand in vain"
    assert fillers(Styled(opened())) == 1
    assert fillers(Styled(opening)) == 0


def fillers(talk: Talk) -> int:
    """How many little words are said while no reply comes for two seconds."""
    talk.say("where did you grow up", 0, 1500)
    talk.until(4000)
    return len(talk.of(fx.Fill))


def nods_and_words(opening: Opening) -> list[tuple[bool, bool]]:
    """Of each nod or word in six pauses of a story, one every 3.5 s: whether it is a nod, and whether a word."""
    talk = Styled(opening)
    story(talk, 0, parts=6)
    return [(given.nod, given.voice) for given in talk.of(fx.Backchannel)]


def test_how_often_it_nods(opened: Opened) -> None:
    assert len(nods_and_words(opened())) == 6
    assert len(nods_and_words(opened("nod_every_s = 7"))) == 3
    assert len(nods_and_words(opened("nod_every_s = 120"))) == 1
    assert nods_and_words(opened("nods = false")) == []


def test_how_often_it_says_a_word(opened: Opened) -> None:
    def words(*lines: str) -> int:
        return sum(voice for _, voice in nods_and_words(opened(*lines)))

    assert words() == 0
    assert words(WORDS, "backchannel_every_s = 3") == 6
    assert words(WORDS) == 2, "every 8 s, so in each third pause"
    assert words(WORDS, "backchannel_every_s = 120") == 1
    assert nods_and_words(opened(WORDS, "nods = false", "backchannel_every_s = 3")) == [(False, True)] * 6


def speaks_up_after(opening: Opening) -> float | None:
    """How many seconds after the end of its reply it speaks up by itself."""
    talk = Styled(opening)
    talk.say("where did you grow up", 0, 1500)
    talk.until(5000)
    turn_id = talk.answered(5000)
    talk(ev.PlaybackChanged, 10_000, turn_id, PlaybackState.FINISHED)
    for second in range(11, 100):
        talk.until(second * 1000 + 10)
        if talk.of(fx.SayLine):
            return second - 10
    return None


def test_when_it_speaks_up(opened: Opened) -> None:
    lines = 'prompts = ["Still there?"]'
    assert speaks_up_after(opened()) is None
    assert speaks_up_after(opened(lines)) == 10
    assert speaks_up_after(opened(lines, "prompt_after_s = 25")) == 25


def test_what_it_does_when_asked_to_wait(opened: Opened) -> None:
    def asked(*lines: str) -> list[ev.Line]:
        talk = Styled(opened(*lines))
        talk.say("wait a moment please", 0, 1000, p=0.99)
        talk.until(5000)
        return [said.line for said in talk.of(fx.SayLine)]

    assert asked('waits = ["Take your time."]') == [ev.Line.WAIT]
    assert asked() == []


def test_pace_is_asked_of_the_voice(opened: Opened) -> None:
    assert not performed(opened(), "session", OrchestratorSettings()).synthesis(turn_id=3).HasField("speed")
    slow = performed(opened("pace = 0.8"), "session", OrchestratorSettings())
    assert slow.synthesis(turn_id=3).speed == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("lines", "voices", "spoken"),
    [
        ([], ("heart",), ""),
        ([], ("june", "pip"), "pip"),
        (['voice = "heart"'], ("heart", "pip"), "heart"),
    ],
)
def test_a_persona_with_a_voice_of_its_own_does_not_speak_with_somebody_elses(
    tmp_path: Path, lines: list[str], voices: tuple[str, ...], spoken: str
) -> None:
    folder = tmp_path / "pip"
    shutil.copytree(PERSONAS / "pip", folder)
    text = (folder / "persona.toml").read_text("utf-8")
    (folder / "persona.toml").write_text("\n".join([*lines, text]), "utf-8")
    config = session_pb2.ConverseConfig(input_audio=pcm_format(16_000))
    opening = Opening(persona_message(load_persona(tmp_path, "pip")), config, pcm_format(24_000), voices=voices)
    assert performed(opening, "session", OrchestratorSettings()).synthesis(turn_id=1).voice == spoken


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("pace = 3", "conversation.pace"),
        ("patience = 0", "conversation.patience"),
        ("nod_every_s = 0", "conversation.nod_every_s"),
        ('interruptible = "sometimes"', "conversation.interruptible"),
        ("interruptable = false", "conversation.interruptable"),
    ],
)
def test_what_cannot_be_is_refused_with_its_name(opened: Opened, line: str, words: str) -> None:
    with pytest.raises(Unusable, match=words):
        opened(line)


def test_every_setting_is_in_the_table_for_authors() -> None:
    text = (ROOT / "personas" / "june" / "README.md").read_text("utf-8")
    rows = {line.split("`")[1] for line in text.splitlines() if line.startswith("| `")}
    assert set(Conversing.model_fields) <= rows
