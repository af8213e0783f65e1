#!/bin/bash
# What gotrace-leak costs and how fast it is: one table, and JSON in build/bench.json. At most 20 minutes.
#
#   sudo ./scripts/bench.sh [--quick] [--markdown] [--json FILE] [caddy|worst|scale|attach|pipeline|prove...]   (default: all)
#
# Builds the release first. The machine should do nothing else meanwhile. docs/benchmarks.md says what the rows mean.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

case " $* " in
  *" --from "* | *" --help "* | *" -h "*) exec python3 "$root/tests/bench/bench.py" "$@" ;;
esac
need_root
{
  "$root/scripts/setup.sh" test
  "$root/scripts/toolchains.sh" 1.24 servers delve
} >&2
build_preset release --target gotrace-leak benches >/dev/null
exec python3 "$root/tests/bench/bench.py" "$@"
