"""Makes of a GGUF file of the Qwen2 family what vLLM serves: a folder with configuration, tokenizer, chat template and weights.

    .venv-vllm/bin/python bench/llm/from_gguf.py model.gguf folder

vLLM has no loader for GGUF on a CPU. The weights are dequantised to bfloat16: what llama.cpp computes with, but for rounding.
This runs in vLLM's own environment, so it imports nothing of ours.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any, Final

import gguf
import numpy as np
import torch
from gguf.quants import dequantize
from safetensors.torch import save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

#: Kinds of tokens in a GGUF file: the ordinary, those that steer a chat, and those that somebody has added.
_NORMAL, _CONTROL, _ADDED = 1, 3, 4
#: The tensors of a layer, and those outside, as GGUF and as the transformers library names them.
_OF_LAYER: Final = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_OUTSIDE: Final = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
#: How Qwen2 cuts a text before it looks for tokens; GGUF only names it ("qwen2").
_PIECES: Final = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def convert(source: Path, folder: Path) -> None:
    """Writes the folder; raises SystemExit for a file of another family."""
    reader = gguf.GGUFReader(source)
    told = {name: field.contents() for name, field in reader.fields.items()}
    if told["general.architecture"] != "qwen2" or told["tokenizer.ggml.pre"] != "qwen2":
        raise SystemExit(f"{source} is no model of the Qwen2 family, and no other is known here")
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "config.json", _config(told, {tensor.name for tensor in reader.tensors}))
    stops = [told["tokenizer.ggml.eos_token_id"], told["tokenizer.ggml.padding_token_id"]]
    _write(folder / "generation_config.json", {"eos_token_id": stops, "pad_token_id": stops[1]})
    _tokenizer(told).save(str(folder / "tokenizer.json"))
    _write(folder / "tokenizer_config.json", _tokenizer_config(told))
    weights = {_name(tensor.name): _tensor(tensor) for tensor in reader.tensors}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def _config(told: dict[str, Any], tensors: set[str]) -> dict[str, Any]:
    return {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "hidden_act": "silu",
        "hidden_size": told["qwen2.embedding_length"],
        "intermediate_size": told["qwen2.feed_forward_length"],
        "num_hidden_layers": told["qwen2.block_count"],
        "num_attention_heads": told["qwen2.attention.head_count"],
        "num_key_value_heads": told["qwen2.attention.head_count_kv"],
        "max_position_embeddings": told["qwen2.context_length"],
        "rms_norm_eps": told["qwen2.attention.layer_norm_rms_epsilon"],
        "rope_theta": told["qwen2.rope.freq_base"],
        "vocab_size": len(told["tokenizer.ggml.tokens"]),
        "tie_word_embeddings": "output.weight" not in tensors,
        "eos_token_id": told["tokenizer.ggml.eos_token_id"],
        "use_sliding_window": False,
        "torch_dtype": "bfloat16",
    }


def _tokenizer(told: dict[str, Any]) -> Tokenizer:
    tokens, kinds = told["tokenizer.ggml.tokens"], told["tokenizer.ggml.token_type"]
    merges = [tuple(pair.split(" ")) for pair in told["tokenizer.ggml.merges"]]
    vocabulary = {token: number for number, token in enumerate(tokens) if kinds[number] == _NORMAL}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    made.normalizer = normalizers.NFC()
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(_PIECES), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    made.decoder = decoders.ByteLevel()
    for number, (token, kind) in enumerate(zip(tokens, kinds, strict=True)):
        if kind in (_CONTROL, _ADDED):
            made.add_tokens([AddedToken(token, special=kind == _CONTROL, normalized=False)])
            if made.token_to_id(token) != number:
                raise SystemExit(f"the token {token!r} would not be number {number}, as the weights have it")
    return made


def _tokenizer_config(told: dict[str, Any]) -> dict[str, Any]:
    tokens = told["tokenizer.ggml.tokens"]
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": tokens[told["tokenizer.ggml.eos_token_id"]],
        "pad_token": tokens[told["tokenizer.ggml.padding_token_id"]],
        "model_max_length": told["qwen2.context_length"],
        "clean_up_tokenization_spaces": False,
        "chat_template": told["tokenizer.chat_template"],
    }


def _name(name: str) -> str:
    if layer := re.fullmatch(r"blk\.(\d+)\.(\w+)\.(weight|bias)", name):
        return f"model.layers.{layer[1]}.{_OF_LAYER[layer[2]]}.{layer[3]}"
    part, _, kind = name.partition(".")
    return f"{_OUTSIDE[part]}.{kind}"


def _tensor(tensor: Any) -> torch.Tensor:
    # A copy: torch wants memory that may be written, and that of the file may not.
    return torch.from_numpy(np.array(dequantize(tensor.data, tensor.tensor_type))).to(torch.bfloat16)


def _write(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1), "utf-8")


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
