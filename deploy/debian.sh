#!/usr/bin/env bash
# Installs the Debian packages that Vivant needs, and only those that are missing. Run it as root: sudo deploy/debian.sh
# With the word "test" also the browser that the tests use: sudo deploy/debian.sh test
# libgomp1 is the OpenMP runtime of llama.cpp; codecs and all other runtimes come inside Python packages, into .venv.
set -euo pipefail

wanted=(ca-certificates git libgomp1 make)
[ "${1:-}" != test ] || wanted+=(chromium)
python3.11 -c 'import ensurepip' 2>/dev/null || wanted+=(python3.11-venv)
missing=()
for package in "${wanted[@]}"; do
  dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  echo 'All Debian packages are there. Next: make up'
  exit 0
fi
if [ "$(id -u)" != 0 ]; then
  echo "These Debian packages are missing: ${missing[*]}. Run: sudo deploy/debian.sh ${1:-}" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
echo 'Done. Next: make up'
