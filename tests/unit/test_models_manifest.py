"""The manifest as it is shipped, and the rules that it is held to."""

import importlib
from pathlib import Path

import pytest

import environment
from models import manifest, onnx_outputs
from models.errors import FetchError
from models.manifest import Archive, HubFile
from services.common.settings import SharedSettings

PIN = f'size = 3, sha256 = "{"a" * 64}"'


def written(tmp_path: Path, files: str) -> Path:
    path = tmp_path / "manifest.toml"
    path.write_text(f'[m]\nrole="asr"\ntitle="t"\nlicence="MIT"\nlicence_url="u"\nfiles=[{files}]\n')
    return path


def test_the_default_is_one_model_for_each_ability_of_the_cpu_variant() -> None:
    default = manifest.select(manifest.load(), [])
    assert {model.id for model in default} == {
        "whisper-base",
        "silero-vad",
        "smart-turn",
        "qwen2.5-coder-0.5b",
        "minilm-l6-v2",
        "resemblyzer",
        "hibari",
    }


def test_everything_that_is_not_on_a_hub_is_pinned() -> None:
    for model in manifest.load():
        assert model.licence
        assert model.licence_url.startswith("https://")
        for file in model.files:
            assert isinstance(file.source, HubFile) or (file.sha256 and file.size)


def test_gemma_comes_with_its_terms() -> None:
    (gemma,) = manifest.select(manifest.load(), ["gemma3-270m"])
    assert "Gemma Terms of Use" in gemma.notice
    assert any("TERMS" in file.path for file in gemma.files)


def test_what_an_engine_needs() -> None:
    known = manifest.load()
    assert manifest.select(known, ["tts.kokoro"]) == manifest.select(known, ["kokoro"])
    assert manifest.select(known, ["tts.riva"]) == ()
    chosen = ["asr.whisper", "turn.fusion", "llm.llamacpp", "tts.hibari", "face.portrait"]
    assert set(manifest.select(known, chosen)) == set(manifest.select(known, ["default"]))
    with pytest.raises(FetchError):
        manifest.select(known, ["voice.kokoro"])


def test_every_engine_that_needs_a_model_is_one() -> None:
    for model in manifest.load():
        for name in model.engines:
            service, engine = name.split(".")
            table = importlib.import_module(f"services.{service}.engines").ENGINES
            assert engine in {spec.name for spec in table}


def test_the_default_ones_and_one_more() -> None:
    known = manifest.load()
    assert manifest.select(known, ["default", "kokoro", "hibari"]) == (
        *manifest.select(known, []),
        *manifest.select(known, ["kokoro"]),
    )


def test_parts_are_counted_from_one_and_from_zero(tmp_path: Path) -> None:
    wheel = 'wheel = { package = "p-{n}", version = "1", member = "p{i:02}.bin", parts = 3 }'
    (model,) = manifest.load(written(tmp_path, f'{{ path = "x", {PIN}, {wheel} }}'))
    pieces = model.files[0].source
    assert isinstance(pieces, tuple)
    assert [piece.member for piece in pieces] == ["p00.bin", "p01.bin", "p02.bin"]
    assert pieces[2].archive == Archive("wheel", "p-3", "1")


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ('{ path = "x", wheel = { package = "p", version = "1", member = "m" } }', "size and sha256"),
        (f'{{ path = "../x", {PIN}, hub = {{ repo = "r", file = "f" }} }}', "inside the model's folder"),
        (f'{{ path = "x", {PIN} }}', "exactly one of"),
        (f'{{ path = "x", {PIN}, convert = "gif", hub = {{ repo = "r", file = "f" }} }}', "convert must be"),
        (f'{{ path = "x", {PIN}, colour = "red", hub = {{ repo = "r", file = "f" }} }}', "colour"),
        (f'{{ path = "x", {PIN}, hub = {{ repo = "r" }} }}', "file"),
        ("{", "cannot read"),
    ],
)
def test_a_malformed_manifest_is_refused(tmp_path: Path, files: str, complaint: str) -> None:
    with pytest.raises(FetchError, match=complaint):
        manifest.load(written(tmp_path, files))


def test_an_unknown_id_names_the_choices() -> None:
    with pytest.raises(FetchError, match=r"no model called gpt; there are: whisper-base, silero-vad"):
        manifest.select(manifest.load(), ["gpt"])


def test_services_look_where_models_are_put(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIVANT_MODELS_DIR", raising=False)
    assert environment.models_dir(environment.read()) == SharedSettings().models_dir


def test_the_suffix_adds_outputs_to_an_onnx_graph() -> None:
    # ModelProto.graph (7) { GraphProto.output (12) { ValueInfoProto.name (1) = "ab" } }, spelt out by hand.
    assert onnx_outputs.suffix(["ab"]) == bytes([7 << 3 | 2, 6, 12 << 3 | 2, 4, 1 << 3 | 2, 2]) + b"ab"
    assert onnx_outputs.suffix([]) == b""
    long = onnx_outputs.suffix(["x" * 300])
    assert long.endswith(b"\xac\x02" + b"x" * 300)
