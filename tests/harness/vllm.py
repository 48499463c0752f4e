"""A real vLLM with the small model that Vivant fetches, and a LoRA adapter of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import numpy as np
from safetensors.numpy import save_file

from bench.llm.vllm import Vllm, serving, weights

ADAPTER: Final = "pip-lora"
_RANK: Final = 8


@asynccontextmanager
async def serving_with_adapter(folder: Path) -> AsyncIterator[Vllm]:
    """The server; `folder` is where the adapter is written."""
    _write(folder, json.loads((await weights() / "config.json").read_text("utf-8")))
    lora = ("--enable-lora", "--max-lora-rank", str(_RANK), "--lora-modules", f"{ADAPTER}={folder}")
    async with serving(*lora) as server:
        yield server


def _write(folder: Path, config: dict[str, int]) -> None:
    """Random changes to where the model looks: they make other words, whatever words."""
    size, chance = config["hidden_size"], np.random.default_rng(0)
    tensors = {}
    for layer in range(config["num_hidden_layers"]):
        name = f"base_model.model.model.layers.{layer}.self_attn.q_proj"
        tensors[f"{name}.lora_A.weight"] = chance.normal(0, 0.1, (_RANK, size)).astype(np.float32)
        tensors[f"{name}.lora_B.weight"] = chance.normal(0, 0.1, (size, _RANK)).astype(np.float32)
    save_file(tensors, folder / "adapter_model.safetensors")
    told = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": _RANK, "lora_alpha": 16, "target_modules": ["q_proj"]}
    (folder / "adapter_config.json").write_text(json.dumps(told), "utf-8")
