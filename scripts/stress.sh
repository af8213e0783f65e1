#!/bin/bash
# `prove` in a loop on programs that work all the time, killed with -9 at random moments: stress.sh [VERSION...]
# MINUTES in all (default 30), KILLS in all (default 200). After each kill both programs
# must live, be untraced and go on working; no goroutine that can still be woken may be proved. Exit 1: one of these failed.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_root
exec python3 "$root/tests/e2e/stress.py" "${KILLS:-200}" "${MINUTES:-30}" "$@"
