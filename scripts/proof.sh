#!/bin/bash
# What `prove` proves of tests/targets/proofcorpus, and what it proves wrongly: proof.sh [VERSION...]
# One line a Go version: goroutines proved of those that leak, false proofs at rest and in motion, the pause; for Go 1.27
# the runtime's own profile of leaked goroutines beside it. RUNS snapshots of each (default 20). Exit 1: a false proof.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_root
exec env RUNS="${RUNS:-20}" python3 "$root/tests/e2e/proof.py" "$@"
