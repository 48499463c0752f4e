"""Pocket TTS with random weights in the true shapes: its voices, its turns, and what is refused."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
import torch
from pocket_tts.utils.config import CONFIGS_DIR
from scipy.io import wavfile

from environment import ROOT
from services.tts.engine import Speech, Text, VoiceConfig
from services.tts.engines.pocket import PocketEngine
from services.tts.engines.pocket.model import RATE_HZ, PocketModel, Sound, State, key_of, local_description, voice_bytes
from tests.harness.pocket_weights import MODEL, PERSONA, models_with_pocket, pocket, pocket_folder, recorded_persona
from vivant.errors import Unusable

KEPT = Path("derived") / "voice.pocket.safetensors"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models_with_pocket(tmp_path_factory.mktemp("pocket") / "models")


@pytest.fixture
def personas(tmp_path: Path) -> Path:
    recorded_persona(tmp_path / "personas")
    return tmp_path / "personas"


@pytest.fixture(scope="module")
def engine(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PocketEngine]:
    """One whose clauses are short."""
    folder = tmp_path_factory.mktemp("personas")
    recorded_persona(folder)
    with started(models, folder) as made_ready:
        yield made_ready


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PocketEngine]:
    """One whose clauses are as long as the package lets them be."""
    folder = tmp_path_factory.mktemp("endless")
    recorded_persona(folder / "personas")
    with started(models_with_pocket(folder / "models", ends=False), folder / "personas") as made_ready:
        yield made_ready


@contextmanager
def started(models: Path, personas: Path, **options: Any) -> Iterator[PocketEngine]:
    engine = pocket(models, personas, **options)
    engine.load()
    try:
        yield engine
    finally:
        engine.close()


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How much the model has listened to, each time it has learnt a voice."""
    found: list[int] = []
    listen = PocketModel.listen

    def listening(self: PocketModel, audio: Sound) -> State:
        found.append(len(audio))
        return listen(self, audio)

    monkeypatch.setattr(PocketModel, "listen", listening)
    return found


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Each chunk that the model has made: of which text, and how many samples."""
    found: list[tuple[str, int]] = []
    speak = PocketModel.speak

    def speaking(self: PocketModel, state: State, text: str, stop: Event) -> Iterator[Sound]:
        for chunk in speak(self, state, text, stop):
            found.append((text, len(chunk)))
            yield chunk

    monkeypatch.setattr(PocketModel, "speak", speaking)
    return found


async def texts(*written: str) -> AsyncIterator[Text]:
    for each in written:
        yield Text(each)


async def say(engine: PocketEngine, *written: str, voice: str = PERSONA) -> list[Speech]:
    async with aclosing(engine.synthesize(VoiceConfig(voice), texts(*written))) as stretches:
        return [speech async for speech in stretches]


def samples(speeches: list[Speech]) -> int:
    return sum(len(speech.pcm) for speech in speeches) // 2


def words(speeches: list[Speech]) -> str:
    return " ".join(word.text for speech in speeches for word in speech.words)


# --- voices ---


def test_a_voice_is_learnt_once_and_kept(models: Path, personas: Path, heard: list[int]) -> None:
    for _ in range(2):
        with started(models, personas):
            pass
    # Both recordings, 5.3 and 2.8 s at 16 kHz.
    assert [round(count / RATE_HZ, 1) for count in heard] == [8.1]
    assert key_of(personas / PERSONA / KEPT)
    assert sorted(path.name for path in (personas / PERSONA / "derived").iterdir()) == [KEPT.name]


def test_what_is_kept_is_the_voice(models: Path, personas: Path) -> None:
    model = PocketModel(pocket_folder(models), MODEL, "cpu")
    state = model.listen(np.sin(np.arange(2 * RATE_HZ, dtype=np.float32)))
    path = personas / "kept.safetensors"
    path.write_bytes(voice_bytes(state, "key"))
    assert key_of(path) == "key"
    read = model.read(path)
    assert read.keys() == state.keys()
    for module, values in state.items():
        for name, value in values.items():
            assert torch.equal(read[module][name], value)


async def test_a_voice_is_learnt_anew_when_a_recording_changes(models: Path, personas: Path, heard: list[int]) -> None:
    with started(models, personas) as engine:
        before = key_of(personas / PERSONA / KEPT)
        await say(engine, "Yes.")
        assert len(heard) == 1
        noise = np.random.default_rng(1).standard_normal(2 * 48_000) * 3_000
        wavfile.write(personas / PERSONA / "voice" / "another.wav", 48_000, noise.astype(np.int16))
        await say(engine, "Yes.")
    assert [round(count / RATE_HZ, 1) for count in heard] == [8.1, 10.1]
    assert key_of(personas / PERSONA / KEPT) not in ("", before)


def test_of_long_recordings_the_first_half_minute_is_used(
    models: Path, personas: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[int] = []
    listen = PocketModel.listen

    def listening(self: PocketModel, audio: Sound) -> State:
        heard.append(len(audio))
        # Listening to all of it takes seconds.
        return listen(self, audio[:RATE_HZ])

    monkeypatch.setattr(PocketModel, "listen", listening)
    noise = np.random.default_rng(1).standard_normal(40 * 16_000) * 3_000
    wavfile.write(personas / PERSONA / "voice" / "long.wav", 16_000, noise.astype(np.int16))
    with started(models, personas):
        assert heard == [30 * RATE_HZ]


@pytest.mark.parametrize("spoil", [lambda path: path.write_bytes(b"torn"), lambda path: path.unlink()])
async def test_a_voice_that_is_lost_or_damaged_is_learnt_anew(
    models: Path, personas: Path, heard: list[int], spoil: Callable[[Path], Any]
) -> None:
    with started(models, personas) as engine:
        spoil(personas / PERSONA / KEPT)
        assert samples(await say(engine, "Yes."))
    with started(models, personas):
        pass
    assert len(heard) == 2
    assert key_of(personas / PERSONA / KEPT)


def test_a_voice_of_other_weights_is_learnt_anew(models: Path, personas: Path, heard: list[int], tmp_path: Path) -> None:
    with started(models, personas), started(models_with_pocket(tmp_path / "others", ends=False), personas):
        assert len(heard) == 2


def test_a_voice_is_kept_elsewhere_where_the_persona_cannot_be_written(
    models: Path, personas: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heard: list[int]
) -> None:
    (personas / PERSONA / "derived").write_text("no folder")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for _ in range(2):
        with started(models, personas):
            pass
    assert key_of(tmp_path / "home" / ".cache" / "vivant" / "voices" / f"{PERSONA}.pocket.safetensors")
    for _ in range(2):
        with started(models, personas, voices_dir=tmp_path / "kept"):
            pass
    assert key_of(tmp_path / "kept" / f"{PERSONA}.pocket.safetensors")
    assert len(heard) == 2


async def test_personas_are_voices_and_so_are_named_ones(models: Path, personas: Path, tmp_path: Path) -> None:
    recorded_persona(personas, "ann")
    with started(with_named_voice(models, tmp_path), personas) as engine:
        assert engine.info.voices == (PERSONA, "ann", "alba")
        for name in engine.info.voices:
            assert samples(await say(engine, "Yes.", voice=name))


async def test_without_cloning_the_open_weights_will_do(personas: Path, tmp_path: Path, models: Path) -> None:
    models_with_pocket(tmp_path / "open", clones=False)
    named = with_named_voice(models, tmp_path)
    shutil.copy(pocket_folder(tmp_path / "open") / "model.safetensors", pocket_folder(named))
    with started(named, personas, cloning=False) as engine:
        assert engine.info.voices == ("alba",)
        assert samples(await say(engine, "Yes.", voice="alba"))


def with_named_voice(models: Path, folder: Path) -> Path:
    """Another folder of models, with a voice called alba."""
    shutil.copytree(models, folder / "models")
    model = PocketModel(pocket_folder(models), MODEL, "cpu")
    path = pocket_folder(folder / "models") / "embeddings" / "alba.safetensors"
    path.parent.mkdir()
    path.write_bytes(voice_bytes(model.listen(np.sin(np.arange(2 * RATE_HZ, dtype=np.float32))), ""))
    return folder / "models"


# --- turns ---


async def test_two_replies_take_turns_clause_by_clause(engine: PocketEngine, made: list[tuple[str, int]]) -> None:
    ones, twos = ("One is here. ", "One goes on. ", "One is over."), ("Two is here. ", "Two goes on. ", "Two is over.")
    together = await asyncio.gather(say(engine, *ones), say(engine, *twos))
    order = list(dict.fromkeys(text for text, _ in made))
    assert order == [clause.strip() for pair in zip(ones, twos, strict=True) for clause in pair]
    for reply, written in zip(together, (ones, twos), strict=True):
        assert words(reply) == "".join(written)


async def test_a_slow_listener_holds_nobody_up(engine: PocketEngine, made: list[tuple[str, int]]) -> None:
    async with aclosing(engine.synthesize(VoiceConfig(PERSONA), texts("This is slow. ", "And this follows."))) as slow:
        begun = [await anext(slow)]
        assert samples(await say(engine, "This is quick."))
        # Of the slow one no more is made than the clause that it listens to.
        assert {text for text, _ in made} == {"This is slow.", "This is quick."}
        begun += [speech async for speech in slow]
    assert words(begun) == "This is slow. And this follows."
    assert samples(begun) >= sum(count for text, count in made if text != "This is quick.")


async def test_a_reply_that_is_cancelled_stops_the_model(endless: PocketEngine, made: list[tuple[str, int]]) -> None:
    written = "In a white house by the harbour, with my brother Tom."
    whole = samples(await say(endless, written))
    made.clear()
    async with aclosing(endless.synthesize(VoiceConfig(PERSONA), texts(written))) as reply:
        await anext(reply)
    assert samples(await say(endless, "No."))
    assert {text for text, _ in made} == {"In a white house by the harbour,", "No."}
    assert sum(count for text, count in made if text != "No.") < whole / 4


async def test_what_is_cancelled_before_its_turn_is_never_made(endless: PocketEngine, made: list[tuple[str, int]]) -> None:
    async with aclosing(endless.synthesize(VoiceConfig(PERSONA), texts("One is here."))) as first:
        await anext(first)
        waiting = asyncio.create_task(say(endless, "Two is here."))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert samples(await say(endless, "No."))
    assert {text for text, _ in made} == {"One is here.", "No."}


async def test_a_fault_of_the_model_is_that_of_the_reply(engine: PocketEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(self: PocketModel, state: State, text: str, stop: Event) -> Iterator[Sound]:
        yield np.zeros(1920, np.float32)
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(PocketModel, "speak", failing)
        with pytest.raises(RuntimeError, match="out of memory"):
            await say(engine, "Yes.")
    assert samples(await say(engine, "Yes."))


# --- what is said ---


async def test_numbers_are_said_in_words_and_stay_one_word_each(engine: PocketEngine, made: list[tuple[str, int]]) -> None:
    reply = await say(engine, "Dr. Smith paid $9.99.")
    assert {text for text, _ in made} == {"Doctor Smith paid nine dollars and ninety nine cents."}
    assert [word.text for speech in reply for word in speech.words] == ["Dr.", "Smith", "paid", "$9.99."]


async def test_a_pause_stands_for_what_the_voice_cannot_say(engine: PocketEngine, made: list[tuple[str, int]]) -> None:
    (reply,) = await say(engine, "寿司。")
    assert not made
    assert (reply.pcm.count(0), len(reply.pcm) // 2) == (len(reply.pcm), 7_200)
    assert [(word.text, word.start_sample, word.end_sample) for word in reply.words] == [("寿司。", 0, 7_200)]
    assert reply.unspoken_scripts == ("Han",)


# --- what is refused ---


def test_it_says_what_its_models_are_and_what_they_may_not_be_used_for(models: Path, personas: Path) -> None:
    (model,) = pocket(models, personas).info.models
    assert (model.name, model.licence) == (f"Pocket TTS, {MODEL}", "CC-BY-4.0")
    assert "consent" in model.notice


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("model.safetensors", [r"no weights .*model\.safe", "gated", "kyutai/pocket-tts on", f"languages/{MODEL}/model"]),
        ("tokenizer.model", [r"no tokenizer .*tokenizer\.model", f"hub it is kyutai/.*/{MODEL}/tokenizer.model"]),
    ],
)
def test_a_file_that_is_missing_is_named_with_where_it_comes_from(
    models: Path, personas: Path, tmp_path: Path, missing: str, said: list[str]
) -> None:
    shutil.copytree(models, tmp_path / "models")
    (pocket_folder(tmp_path / "models") / missing).unlink()
    with pytest.raises(Unusable) as caught:
        pocket(tmp_path / "models", personas).load()
    assert caught.value.reason == "model_missing"
    for part in said:
        assert re.search(part, caught.value.message), part


def test_the_open_weights_cannot_clone_and_that_is_said(personas: Path, tmp_path: Path) -> None:
    models_with_pocket(tmp_path / "open", clones=False)
    said = r"cannot clone .*gated.*terms of kyutai/pocket-tts .*TTS_POCKET_CLONING=false"
    with pytest.raises(Unusable, match=said) as caught:
        pocket(tmp_path / "open", personas).load()
    assert caught.value.reason == "model_missing"


@pytest.mark.parametrize("content", [b"<html>not found</html>", b""])
def test_weights_that_are_none_are_refused(models: Path, personas: Path, tmp_path: Path, content: bytes) -> None:
    shutil.copytree(models, tmp_path / "models")
    (pocket_folder(tmp_path / "models") / "model.safetensors").write_bytes(content)
    with pytest.raises(Unusable, match="does not hold the model") as caught:
        pocket(tmp_path / "models", personas).load()
    assert caught.value.reason == "model_unusable"


def test_weights_of_another_model_are_refused(models: Path, personas: Path, tmp_path: Path) -> None:
    other = tmp_path / "pocket-tts" / "english_7m_2026-10"
    shutil.copytree(pocket_folder(models), other)
    with pytest.raises(Unusable, match="does not hold the model 'english_7m_2026-10'"):
        pocket(tmp_path, personas, model=other.name).load()


def test_a_model_that_is_not_known_is_refused_with_those_that_are(models: Path, personas: Path) -> None:
    with pytest.raises(Unusable, match=r"TTS_POCKET_MODEL='klingon' .*dutch, .*english, ") as caught:
        pocket(models, personas, model="klingon").load()
    assert caught.value.reason == "unknown_model"


def test_no_voice_at_all_is_refused(models: Path, tmp_path: Path) -> None:
    with pytest.raises(Unusable, match=r"no voice to speak with: neither recordings .* nor a voice by name") as caught:
        pocket(models, tmp_path).load()
    assert caught.value.reason == "no_voice"


def test_no_voice_is_cloned_without_consent(models: Path, personas: Path) -> None:
    (personas / PERSONA / "consent.toml").unlink()
    with pytest.raises(Unusable, match="cloned without consent") as caught:
        pocket(models, personas).load()
    assert caught.value.reason == "no_consent"
    assert not (personas / PERSONA / KEPT).exists()


def test_what_is_wrong_with_one_voice_keeps_nobody_else_from_speaking(models: Path, personas: Path, tmp_path: Path) -> None:
    named = with_named_voice(models, tmp_path)
    (pocket_folder(named) / "embeddings" / "bob.safetensors").write_bytes(b"torn")
    (recorded_persona(personas, "ann") / "consent.toml").unlink()
    with started(named, personas) as engine:
        assert engine.info.voices == (PERSONA, "alba")


def test_a_named_voice_of_another_model_is_refused(models: Path, tmp_path: Path) -> None:
    named = with_named_voice(models, tmp_path)
    path = pocket_folder(named) / "embeddings" / "alba.safetensors"
    model = PocketModel(pocket_folder(models), MODEL, "cpu")
    state = model.read(path)
    fewer = dict(list(state.items())[1:])
    narrower = {name: {**each, "cache": each["cache"][..., 1:]} for name, each in state.items()}
    for broken in (fewer, narrower):
        path.write_bytes(voice_bytes(broken, ""))
        with pytest.raises(Unusable, match="is a voice of another model"):
            model.read(path)
    path.write_bytes(b"torn")
    with pytest.raises(Unusable, match="is no file of a voice"):
        model.read(path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_said(models: Path, personas: Path) -> None:
    with pytest.raises(Unusable, match="TTS_POCKET_DEVICE=cpu") as caught:
        pocket(models, personas, device="cuda").load()
    assert caught.value.reason == "no_device"


# --- the network ---


@pytest.mark.parametrize("name", sorted(path.stem for path in CONFIGS_DIR.glob("*.yaml")))
def test_no_description_of_a_model_keeps_a_place_on_the_hub(name: str) -> None:
    assert "://" not in local_description(Path("folder"), name).model_dump_json()


def test_nothing_is_asked_of_the_network(models: Path, personas: Path) -> None:
    program = f"""
import asyncio, sys
asked = []
watched = {{"socket.connect", "socket.getaddrinfo"}}
sys.addaudithook(lambda event, args: asked.append((event, args)) if event in watched else None)
from pathlib import Path
from services.tts.engine import Text, VoiceConfig
from tests.harness.pocket_weights import pocket

async def texts():
    yield Text("In a white house.")

async def speak():
    engine = pocket(Path({str(models)!r}), Path({str(personas)!r}))
    engine.load()
    spoken = [speech async for speech in engine.synthesize(VoiceConfig({PERSONA!r}), texts())]
    engine.close()
    return len(spoken)

spoken = asyncio.run(speak())
from huggingface_hub import constants
print(spoken > 0, asked, constants.HF_HUB_OFFLINE)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == ["True [] True"], done.stderr
