"""XTTS with weights made at random: what is read and refused, how voices are learnt and kept, and how replies take turns."""

from __future__ import annotations

import asyncio
import io
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from TTS.tts.models import xtts as package

from services.common.audio import to_float
from services.tts.engine import Speech, Text, VoiceConfig
from services.tts.engines.xtts import XttsEngine
from services.tts.engines.xtts import engine as engine_module
from services.tts.engines.xtts.network import Chunk, Latents, Network
from services.tts.engines.xtts.voices import NAME, learn, places
from services.tts.recordings import read
from tests.harness.waiting import until
from tests.harness.xtts_weights import CONSENT, models_with_xtts, persona_with_voice, record, xtts_in
from vivant.errors import Unusable, VivantError

LONG = "In a white house by the harbour, with my brother Tom."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models and one persona, "ada"; nobody changes it."""
    made = tmp_path_factory.mktemp("xtts")
    models_with_xtts(made / "models")
    persona_with_voice(made / "personas", "ada")
    return made


@pytest.fixture(scope="module")
def network(folder: Path) -> Network:
    return Network(folder / "models" / "xtts-v2", "cpu", 5)


@pytest.fixture(scope="module")
async def engine(folder: Path) -> AsyncIterator[XttsEngine]:
    made = xtts_in(folder)
    await asyncio.to_thread(made.load)
    yield made
    made.close()


async def speak(engine: XttsEngine, text: str, **config: Any) -> list[Speech]:
    async def inputs() -> AsyncIterator[Text]:
        yield Text(text)

    async with aclosing(engine.synthesize(VoiceConfig(**{"voice": "ada"} | config), inputs())) as stretches:
        return [speech async for speech in stretches]


def sound(stretches: Sequence[Speech]) -> bytes:
    return b"".join(speech.pcm for speech in stretches)


# --- the files --------------------------------------------------------------------------------------------------------


def test_files_as_they_are_published_are_read_and_left_alone(folder: Path, tmp_path: Path) -> None:
    """The package's own loader would write the file of weights anew: it has an old configuration in it."""
    shutil.copytree(folder / "models", tmp_path / "models")
    files = sorted((tmp_path / "models" / "xtts-v2").iterdir())
    before = [(path.read_bytes(), path.stat().st_mtime_ns) for path in files]
    assert b"TTS.tts.models.xtts\nXttsArgs" in files[1].read_bytes()
    made = Network(tmp_path / "models" / "xtts-v2", "cpu", 5)
    assert [path.name for path in files] == ["config.json", "model.pth", "vocab.json"]
    assert [(path.read_bytes(), path.stat().st_mtime_ns) for path in files] == before
    assert made.languages == ("en", "de", "ru", "hi")


def test_weights_of_the_trainer_are_the_same(folder: Path, tmp_path: Path, network: Network) -> None:
    """It names all tensors "xtts....", and has those of the training and doubles besides."""
    shutil.copytree(folder / "models", tmp_path / "models")
    path = tmp_path / "models" / "xtts-v2" / "model.pth"
    weights = torch.load(path, weights_only=False)["model"]
    more = {"dvae.codebook": torch.zeros(3), "gpt.gpt_inference.lm_head.0.weight": torch.ones(64)}
    torch.save({"model": {f"xtts.{name}": values for name, values in (weights | more).items()}}, path)
    assert Network(path.parent, "cpu", 5).fingerprint == network.fingerprint


@pytest.mark.parametrize("name", ["config.json", "model.pth", "vocab.json"])
def test_what_is_missing_or_damaged_is_named(folder: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(folder, tmp_path / "here")
    path = tmp_path / "here" / "models" / "xtts-v2" / name
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(Unusable, match=name) as caught:
        xtts_in(tmp_path / "here").load()
    assert caught.value.reason == "model_unusable"
    path.unlink()
    with pytest.raises(Unusable, match=rf"lacks {name}; .*models fetch xtts-v2") as caught:
        xtts_in(tmp_path / "here").load()
    assert caught.value.reason == "model_missing"


def test_no_code_in_a_file_of_weights_is_run(folder: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "was_run",)

    shutil.copytree(folder / "models", tmp_path / "models")
    buffer = io.BytesIO()
    torch.save({"model": Evil()}, buffer)
    (tmp_path / "models" / "xtts-v2" / "model.pth").write_bytes(buffer.getvalue())
    with pytest.raises(Unusable, match=r"model\.pth is no file of weights"):
        Network(tmp_path / "models" / "xtts-v2", "cpu", 5)
    assert not (tmp_path / "was_run").exists()


def test_weights_of_another_shape_are_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "models", tmp_path / "models")
    config = tmp_path / "models" / "xtts-v2" / "config.json"
    config.write_text(config.read_text().replace('"gpt_layers": 2', '"gpt_layers": 3'))
    with pytest.raises(Unusable, match=r"not those of config\.json"):
        Network(config.parent, "cpu", 5)


def test_a_gpu_that_is_not_there_is_said(folder: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(Unusable, match="TTS_XTTS_DEVICE is cuda, and there is no GPU") as caught:
        xtts_in(folder, device="cuda").load()
    assert caught.value.reason == "no_device"


def test_a_language_that_it_does_not_have_is_refused_at_start(folder: Path) -> None:
    """Japanese is in the model, and the package that puts it into Latin letters is in no lock."""
    for language in ("fi", "ja"):
        with pytest.raises(Unusable, match=f"TTS_XTTS_LANGUAGE='{language}' is not spoken .*: en, de, ru, hi"):
            xtts_in(folder, language=language).load()


def test_its_terms_are_said(engine: XttsEngine) -> None:
    assert [(model.licence, "No commercial use" in model.notice) for model in engine.info.models] == [
        ("Coqui Public Model License 1.0.0", True)
    ]


# --- voices -----------------------------------------------------------------------------------------------------------


def test_what_is_learnt_is_what_the_package_learns_from_the_files(
    folder: Path, network: Network, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    persona = persona_with_voice(tmp_path, "bo", seconds=9)
    record(persona / "voice" / "two.wav", seconds=3, seed=5)
    recordings = read(persona, network.most_s)
    files = {f"{at}.wav": torch.from_numpy(each.samples)[None] for at, each in enumerate(recordings.files)}
    monkeypatch.setattr(package, "load_audio", lambda path, rate_hz: files[path])
    manner, timbre = network._model.get_conditioning_latents([*files], 8, 6, 4)
    learnt = network.learn(recordings.files)
    assert np.array_equal(learnt.manner, manner.numpy())
    assert np.array_equal(learnt.timbre, timbre.numpy())
    assert learnt.manner.shape == (1, 32, 64)
    assert learnt.timbre.shape == (1, 512, 1)


@pytest.fixture
def learnt(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many recordings were listened to, each time that a voice was learnt."""
    times: list[int] = []
    true = Network.learn

    def counted(self: Network, recordings: Sequence[Any]) -> Latents:
        times.append(len(recordings))
        return true(self, recordings)

    monkeypatch.setattr(Network, "learn", counted)
    return times


def test_a_voice_is_learnt_once_and_anew_when_a_recording_or_the_weights_change(
    network: Network, tmp_path: Path, learnt: list[int]
) -> None:
    persona = persona_with_voice(tmp_path / "personas", "bo")
    kept_in = places(tmp_path / "personas", "bo", None)
    first, again = (learn(network, persona, kept_in) for _ in range(2))
    assert learnt == [1]
    assert np.array_equal(first.manner, again.manner) and np.array_equal(first.timbre, again.timbre)
    assert [path.name for path in (persona / "derived").iterdir()] == [NAME]

    record(persona / "voice" / "two.wav", seconds=2, seed=3)
    changed = learn(network, persona, kept_in)
    assert learnt == [1, 2]
    assert not np.array_equal(first.timbre, changed.timbre)
    (persona / "voice" / "two.wav").rename(persona / "voice" / "zwei.WAV")
    learn(network, persona, kept_in)
    assert learnt == [1, 2]

    others = Network(models_with_xtts(tmp_path / "models", seed=2) / "xtts-v2", "cpu", 5)
    assert not np.array_equal(learn(others, persona, kept_in).timbre, changed.timbre)
    assert learnt == [1, 2, 2]


def test_what_is_kept_and_damaged_is_made_anew(network: Network, tmp_path: Path, learnt: list[int]) -> None:
    persona = persona_with_voice(tmp_path / "personas", "bo")
    kept_in = places(tmp_path / "personas", "bo", None)
    learn(network, persona, kept_in)
    whole = kept_in[0].read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], whole[:200] + b"x" + whole[201:]):
        kept_in[0].write_bytes(damaged)
        learn(network, persona, kept_in)
        assert kept_in[0].read_bytes() == whole
    assert len(learnt) == 4


def test_where_derived_cannot_be_written_it_is_kept_elsewhere(
    network: Network, tmp_path: Path, learnt: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    persona = persona_with_voice(tmp_path / "personas", "bo")
    (persona / "derived").write_text("in the way")
    for _ in range(2):
        learn(network, persona, places(tmp_path / "personas", "bo", None))
    assert (tmp_path / "home" / ".cache" / "vivant" / "voices" / "bo-xtts.npz").is_file()
    assert len(learnt) == 1
    for _ in range(2):
        learn(network, persona, places(tmp_path / "personas", "bo", tmp_path / "kept"))
    assert (tmp_path / "kept" / "bo-xtts.npz").is_file()
    assert len(learnt) == 2


def without_recordings(persona: Path) -> None:
    shutil.rmtree(persona / "voice")


def too_short(persona: Path) -> None:
    record(persona / "voice" / "one.wav", seconds=5.9, seed=0)


def without_consent(persona: Path) -> None:
    (persona / "consent.toml").unlink()


def for_the_story_alone(persona: Path) -> None:
    (persona / "consent.toml").write_text(CONSENT.replace('"voice"', '"story"'))


def withdrawn(persona: Path) -> None:
    (persona / "consent.toml").write_text(f"{CONSENT}withdrawn = 2026-12-01\n")


@pytest.mark.parametrize(
    ("change", "reason", "words"),
    [
        (without_recordings, "no_voice", r"ada/voice has no recordings, .*6 s at least.*WAV files"),
        (too_short, "no_voice", r"ada/voice holds 5\.9 s of speech"),
        (without_consent, "no_consent", r"no consent\.toml, and nobody's voice is cloned without consent"),
        (for_the_story_alone, "no_consent", "does not mention the voice"),
        (withdrawn, "no_consent", "consent to the voice was withdrawn"),
        (shutil.rmtree, "unknown_persona", "no persona 'ada'"),
    ],
)
def test_without_the_voice_of_the_default_persona_it_does_not_start(
    folder: Path, tmp_path: Path, change: Callable[[Path], None], reason: str, words: str
) -> None:
    """Nobody else's voice is spoken in its place."""
    shutil.copytree(folder / "personas", tmp_path / "personas")
    persona_with_voice(tmp_path / "personas", "bo")
    change(tmp_path / "personas" / "ada")
    (tmp_path / "models").symlink_to(folder / "models")
    with pytest.raises(VivantError, match=words) as caught:
        xtts_in(tmp_path).load()
    assert caught.value.reason == reason


async def test_each_persona_with_recordings_is_a_voice_and_what_is_wrong_with_one_keeps_no_other_from_speaking(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "models").symlink_to(folder / "models")
    for at, name in enumerate(("ada", "bo", "cy")):
        persona_with_voice(tmp_path / "personas", name, seed=at)
    without_consent(tmp_path / "personas" / "bo")
    (tmp_path / "personas" / "dee").mkdir()
    engine = xtts_in(tmp_path, default_persona="cy")
    await asyncio.to_thread(engine.load)
    assert engine.info.voices == ("cy", "ada")
    ada, cy = [sound(await speak(engine, "Good day.", voice=voice)) for voice in ("ada", "cy")]
    assert ada != cy
    engine.close()


# --- speaking ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The text of each chunk, in the order in which they were made; "closed" behind one that was ended before its end."""
    found: list[str] = []
    true = Network.say

    def noted(self: Network, text: str, *args: Any) -> Iterator[Chunk]:
        over = False
        try:
            for chunk in true(self, text, *args):
                found.append(text)
                over = chunk.is_last
                yield chunk
        finally:
            if not over:
                found.append(f"{text} closed")

    monkeypatch.setattr(Network, "say", noted)
    return found


async def test_a_clause_sounds_before_all_of_it_is_made(engine: XttsEngine, made: list[str]) -> None:
    async def inputs() -> AsyncIterator[Text]:
        yield Text("Good day to you.")

    async with aclosing(engine.synthesize(VoiceConfig("ada"), inputs())) as stretches:
        first = await anext(stretches)
        assert made == ["Good day to you."]
        rest = [speech async for speech in stretches]
    assert made == ["Good day to you."] * (1 + len(rest))
    assert len(rest) == 1
    # Five tokens and then eight in all, of 4 * 24 / 22.05 frames with 256 samples; the first keeps back what the next one is
    # faded into.
    assert [len(speech.pcm) // 2 for speech in (first, *rest)] == [21 * 256 - 1_024, (34 - 21) * 256 + 1_024]


async def test_a_reply_that_is_abandoned_frees_the_model_with_the_chunk_in_hand(engine: XttsEngine, made: list[str]) -> None:
    async def inputs() -> AsyncIterator[Text]:
        yield Text(LONG)

    async with aclosing(engine.synthesize(VoiceConfig("ada"), inputs())) as stretches:
        await anext(stretches)
    await speak(engine, "Yes.")
    assert made == [
        "In a white house by the harbour,",
        "In a white house by the harbour, closed",
        "Yes.",
        "Yes.",
    ]


async def test_a_reply_that_is_cancelled_while_it_waits_makes_no_more_than_the_chunk_in_hand(
    engine: XttsEngine, made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another that waits for its turn then has made nothing at all."""
    in_hand, go_on = threading.Event(), threading.Event()
    noted = Network.say

    def held(self: Network, text: str, *args: Any) -> Iterator[Chunk]:
        in_hand.set()
        go_on.wait()
        return (yield from noted(self, text, *args))

    monkeypatch.setattr(Network, "say", held)
    first = asyncio.create_task(speak(engine, "Good day to you."))
    await asyncio.to_thread(in_hand.wait)
    waiting = asyncio.create_task(speak(engine, "Where did you grow up?"))
    await until(lambda: engine._thread._work_queue.qsize() == 1)
    for task in (first, waiting):
        task.cancel()
    await asyncio.wait({first, waiting})
    assert first.cancelled() and waiting.cancelled()
    go_on.set()
    await speak(engine, "Yes.")
    assert made == ["Good day to you.", "Good day to you. closed", "Yes.", "Yes."]


async def test_replies_take_turns_and_each_is_what_it_is_alone(engine: XttsEngine, made: list[str]) -> None:
    texts = ("Good day to you.", "Where did you grow up?", "Not so fast!")
    alone = [sound(await speak(engine, text)) for text in texts]
    made.clear()
    together = await asyncio.gather(*(speak(engine, text) for text in texts))
    assert made == [*texts, *texts]
    assert [sound(each) for each in together] == alone
    assert len(set(alone)) == 3


async def test_the_loop_goes_on_while_the_model_works(engine: XttsEngine) -> None:
    """What is heavy is done in another thread, so the loop turns many times meanwhile."""
    turns = 0

    async def turning() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0.001)

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(turning())
        stretches = await speak(engine, "Good day to you.")
        task.cancel()
    assert turns > 5 * len(stretches)


async def test_speech_that_does_not_end_is_cut_and_its_words_are_told(
    engine: XttsEngine, made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "_MOST_TIMES", 0)
    monkeypatch.setattr(engine_module, "_MOST_MORE", 1_000)
    stretches = await speak(engine, "Good day to you.")
    assert [word.text for speech in stretches for word in speech.words] == ["Good", "day", "to", "you."]
    assert stretches[-1].words[-1].end_sample <= len(sound(stretches)) // 2
    await speak(engine, "Yes.")
    await until(lambda: made == ["Good day to you.", "Good day to you. closed", "Yes.", "Yes. closed"])


async def test_a_clause_begins_and_ends_softly(engine: XttsEngine) -> None:
    audio = to_float(sound(await speak(engine, "Good day to you.")))
    assert audio[0] == 0
    assert audio[-1] == 0
    assert np.abs(audio).max() > 0.001


@pytest.mark.parametrize(
    ("language", "written"),
    [
        ("ru", "В 1998 году, и 20€."),
        ("hi", "मेरे पास 5 हैं।"),
        ("de", "Am 3. Mai um 12:30 kostet es 9,99€, nicht wahr?"),
        ("de", "9" * 60),
        ("en", "Dr. Smith paid $9.99 on the 3rd of March, 2024."),
    ],
)
async def test_figures_are_read_or_left_out_and_no_word_is_lost(engine: XttsEngine, language: str, written: str) -> None:
    stretches = await speak(engine, written, language=language)
    assert " ".join(word.text for speech in stretches for word in speech.words) == written
