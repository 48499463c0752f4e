#!/usr/bin/env bash
# Generates the contracts' Python stubs into the client package: deploy/stubs.sh [python]
set -euo pipefail
cd "$(dirname "$0")/.."
python=${1:-python3}
# protoc looks for its plugins on the PATH; they are installed beside the interpreter.
PATH="$(dirname "$(command -v "$python")"):$PATH"
mapfile -t protos < <(find protos -name '*.proto' | sort)
"$python" -m grpc_tools.protoc -I protos --python_out=sdk --grpc_python_out=sdk --mypy_out=quiet:sdk --mypy_grpc_out=quiet:sdk "${protos[@]}"
for proto in "${protos[@]}"; do
  folder=sdk/$(dirname "${proto#protos/}")
  touch "$folder/__init__.py" "$folder/../__init__.py"
done
