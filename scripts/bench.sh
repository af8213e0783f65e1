#!/bin/bash
# What gotrace-leak costs and how fast it is, as ratios: sudo ./scripts/bench.sh [caddy|snapshot|trace...]
# Builds the release first. The machine should do nothing else meanwhile; the noise is printed beside the first ratio.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

need_root
"$root/scripts/setup.sh" test
"$root/scripts/toolchains.sh" 1.24 servers
build_preset release --target gotrace-leak >/dev/null
exec python3 "$root/tests/bench/bench.py" "$@"
