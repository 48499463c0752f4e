#!/usr/bin/env bash
# Runs every engine that is made for an NVIDIA GPU once on the GPU of this machine, and prints a table of what it found: time to the
# first sound, pictures a second, memory. With the real weights where they have been fetched (python -m models fetch xtts-v2 wav2lip
# maai whisper-large-v3-turbo), else with random ones in the same shapes. Some minutes, and 10 GB of packages the first time.
# GPU_CHECK_DEVICE=cpu runs the same lines on the CPU. A language model on a GPU: start vLLM, then make bench-llm (services/llm/SERVERS.md).
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "${GPU_CHECK_DEVICE:-cuda}" != cpu ] && ! nvidia-smi >/dev/null 2>&1; then
  echo 'nvidia-smi finds no NVIDIA GPU on this machine. GPU_CHECK_DEVICE=cpu runs the same lines on the CPU.' >&2
  exit 1
fi
make --no-print-directory .venv/.dev protos
if [ "${GPU_CHECK_DEVICE:-cuda}" != cpu ]; then
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/cuda.txt
fi
.venv/bin/python -m models fetch whisper-base
exec .venv/bin/pytest -m gpu tests/gpu
