#!/bin/sh
# Makes .venv ready: scripts/setup.sh runtime|test. Quick when nothing changed since the last time.
#
# PYTHON       interpreter to use (otherwise the first of python3, python3.13 ... python3.10 that suits)
# VENV         where the virtual environment goes (.venv)
# TORCH_INDEX  address of a package index to take torch from besides pip's own, such as PyTorch's
#              index of CPU builds; without it pip may choose a build with CUDA (2 GB more)
set -eu
cd "$(dirname "$0")/.."
extras=${1:?usage: scripts/setup.sh runtime|test}
venv=${VENV:-.venv}

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

# Installs what is missing through apt-get, or says what is missing and who can install it.
need() {
  what=$1; shift
  if ! command -v apt-get >/dev/null; then
    fail "$what is missing. Install it (on Debian: $*) and run this again."
  elif [ "$(id -u)" = 0 ]; then
    as_root=env
  elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    as_root="sudo env"
  else
    fail "$what is missing, and only root can install it: apt-get install $*"
  fi
  say "$what is missing: installing $*"
  $as_root apt-get update -qq
  $as_root DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

suits() { "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' 2>/dev/null; }

find_python() {
  for python in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.10}; do
    if suits "$python"; then return 0; fi
  done
  return 1
}

has_headers() {
  "$python" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))'
}

# The world's renderer draws through EGL and Mesa.
has_renderer() {
  "$python" -c 'import ctypes; [ctypes.CDLL(name) for name in ("libEGL.so.1", "libGL.so.1")]' \
    2>/dev/null && [ -n "$(find /usr/lib /usr/lib64 -name '*swrast*' -o -name 'libgallium*' 2>/dev/null)" ]
}

prepare_system() {
  find_python || need "Python 3.10 to 3.13" python3 python3-venv python3-dev
  find_python || fail "No Python 3.10 to 3.13 was found. Name one with PYTHON=/path/to/python3."
  "$python" -c 'import ensurepip, venv' 2>/dev/null || need "Python's venv" "$(debian_name)-venv"
  has_headers || need "Python's header files" "$(debian_name)-dev"
  command -v gcc >/dev/null && command -v g++ >/dev/null || need "A C and C++ compiler" gcc g++ libc6-dev
  [ "$extras" != test ] || has_renderer || \
    need "Software rendering (EGL, Mesa)" libegl1 libegl-mesa0 libgl1 libgl1-mesa-dri
  [ "$extras" != test ] || command -v java >/dev/null || \
    need "Java (METEOR and COCO's tokenizer)" default-jre-headless
}

debian_name() { "$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])'; }

# What a finished installation depends on; kept in the virtual environment as its stamp.
fingerprint() {
  { pwd; "$venv/bin/python" -VV; echo "${AMENT_PREFIX_PATH:-}"
    cat setup.py pyproject.toml package.xml CMakeLists.txt cmake/* msg/* action/* scripts/setup.sh
  } | sha256sum
}

install() {
  say "installing $1 into $venv (minutes the first time)"
  # -qq still shows errors.
  "$venv/bin/python" -m pip --disable-pip-version-check install -qq \
    ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} $2
}

if ! [ -x "$venv/bin/python" ] || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
  prepare_system
  rm -rf "$venv"
  "$python" -m venv "$venv"
elif [ "$(cat "$venv/.ready-$extras" 2>/dev/null)" != "$(fingerprint)" ]; then
  python=$venv/bin/python
  prepare_system
fi

print=$(fingerprint)
if [ "$(cat "$venv/.ready-runtime" 2>/dev/null)" != "$print" ]; then
  rm -f "$venv"/.ready-*
  install "mmser_ros" "-e ."
  echo "$print" > "$venv/.ready-runtime"
fi
if [ "$(cat "$venv/.ready-$extras" 2>/dev/null)" != "$print" ]; then
  # Already installed above, so that this adds the extra requirements alone.
  install "what its tests need" "mmser-ros[$extras]"
  echo "$print" > "$venv/.ready-$extras"
fi
