#!/usr/bin/env bash
# A Docker Engine for the tests of the containers, where none is running: deploy/docker_engine.sh start | stop
# `start` prints nothing where an engine answers already; else it starts one of its own, below ~/.cache/vivant/docker, and prints
# the two variables that lead to it. It needs root on Debian 12. Images stay, so that the next run is quick; `stop` ends the engine.
set -euo pipefail
home=${XDG_CACHE_HOME:-$HOME/.cache}/vivant/docker
base=python:3.11-slim

stop() {
  [ -s "$home/dockerd.pid" ] || return 0
  local pid; pid=$(cat "$home/dockerd.pid")
  kill "$pid" 2>/dev/null || return 0
  for _ in $(seq 150); do kill -0 "$pid" 2>/dev/null || return 0; sleep 0.2; done
  echo "The engine with process id $pid did not end within 30 s." >&2
  return 1
}

programs() {
  export DEBIAN_FRONTEND=noninteractive
  local missing=() name
  for name in docker.io iptables debootstrap; do
    dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null | grep -qx installed || missing+=("$name")
  done
  if [ ${#missing[@]} -gt 0 ]; then
    apt-get update -qq
    apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  fi
}

# Compose 2 and buildx are in Debian 13 only; their programs need no more than Debian 12 has.
plugins() {
  [ -x "$home/config/cli-plugins/docker-compose" ] && return
  local apt=$home/apt options
  mkdir -p "$apt"/state/lists/partial "$apt"/cache/archives/partial "$home/config/cli-plugins" "$home/packages"
  touch "$apt/state/status"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(mirror) trixie main" >"$apt/sources.list"
  options=(-o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State=$apt/state"
    -o "Dir::State::status=$apt/state/status" -o "Dir::Cache=$apt/cache")
  apt-get "${options[@]}" update -qq
  (
    cd "$home/packages"
    apt-get "${options[@]}" download -qq docker-compose docker-buildx
    for package in *.deb; do dpkg -x "$package" unpacked; done
  )
  cp "$home"/packages/unpacked/usr/libexec/docker/cli-plugins/* "$home/config/cli-plugins/"
}

# The Debian mirror that this machine uses itself.
mirror() {
  grep -hoE '^(URIs: *|deb +(\[[^]]*\] +)?)https?://[^ ]+' /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
    grep -oE 'https?://[^ ]+' | grep -v security | head -n 1
}

# Where the registry of images is out of reach, Debian's own Python stands in for the official image.
base_image() {
  docker image inspect "$base" >/dev/null 2>&1 && return
  timeout 60 docker pull --quiet "$base" >/dev/null 2>&1 && return
  local root=$home/base
  [ -x "$root/usr/bin/python3" ] ||
    debootstrap --variant=minbase --include=python3,python3-pip,python3-venv,ca-certificates bookworm "$root" "$(mirror)" >"$home/base.log"
  cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
  rm -f "$root"/usr/lib/python3.11/EXTERNALLY-MANAGED "$root"/var/cache/apt/archives/*.deb
  ln -sf /usr/bin/python3 "$root/usr/local/bin/python"
  printf '[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n' >"$root/etc/pip.conf"
  tar -C "$root" -c . | docker import - "$base" >/dev/null
}

start() {
  docker version >/dev/null 2>&1 && docker compose version >/dev/null 2>&1 && return
  [ "$(id -u)" = 0 ] || { echo 'No Docker Engine answers, and only root can start one: sudo deploy/docker_engine.sh start' >&2; exit 1; }
  mkdir -p "$home"
  programs
  plugins
  export DOCKER_CONFIG=$home/config DOCKER_HOST=unix://$home/docker.sock
  if ! docker version >/dev/null 2>&1; then
    setsid dockerd --data-root "$home/data" --exec-root "$home/run" --pidfile "$home/dockerd.pid" -H "$DOCKER_HOST" \
      >"$home/dockerd.log" 2>&1 </dev/null &
    for _ in $(seq 150); do docker version >/dev/null 2>&1 && break; sleep 0.2; done
    docker version >/dev/null 2>&1 || { echo 'The Docker Engine did not start:' >&2; tail -n 20 "$home/dockerd.log" >&2; exit 1; }
  fi
  base_image
  echo "export DOCKER_HOST=$DOCKER_HOST DOCKER_CONFIG=$DOCKER_CONFIG"
}

case ${1:-} in
  start | stop) "$1" ;;
  *) echo 'deploy/docker_engine.sh start | stop' >&2; exit 2 ;;
esac
