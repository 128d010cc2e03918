#!/bin/sh
# Everything that must hold before a change goes in; pytest's summary comes last.
set -u
cd "$(dirname "$0")/.."
bin=${VENV:-.venv}/bin
failed=""

run() {
  what=$1; shift
  printf '== %s\n' "$what"
  "$@" || failed="$failed $what"
}

run ruff-check "$bin/ruff" check .
run ruff-format "$bin/ruff" format --check .
run mypy "$bin/mypy"
[ -z "$failed" ] || printf '== failed so far:%s\n' "$failed"
# Tests end what they start; the limit is for what none of them foresaw.
run pytest timeout -k 30 "${TEST_TIMEOUT:-840}" "$bin/python" -m pytest
[ -z "$failed" ]
