#!/usr/bin/env bash
# Runs every case of tests/e2e/test_kinds.py and its healthy twin over Go versions and build variants, and prints a table:
# what was found, whether on the right line, and whether the twin was left alone. Exit 1 when a cell is wrong.
#
#   sudo ./scripts/scenarios.sh [-j N] [--go 1.19,1.24,1.27] [--variants default,pie-stripped] [--heap MB]
#                               [--duration 10s] [--markdown] [CASE...]
#
# To add a case, add it to CASES in tests/e2e/test_kinds.py.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

need_root
exec python3 "$root/tests/e2e/scenarios.py" "$@"
