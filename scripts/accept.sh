#!/usr/bin/env bash
# Scores the JSON report on the acceptance cases, for three Go versions and two build variants each.
#   scripts/accept.sh DIR [run.py options]      DIR holds run.py and its cases
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cases=${1:?usage: scripts/accept.sh DIR [run.py options]}
shift
tool=${GOTRACE_LEAK:-$here/build/release/user/gotrace-leak}
toolchains=${GOTRACE_TOOLCHAINS:-/var/cache/gotrace-leak/go}
failed=0
for go in ${GO_VERSIONS:-1.19 1.24 1.27}; do
  for variant in ${VARIANTS:-default pie-stripped}; do
    "$cases/run.py" --goroot "$toolchains/{v}/usr/lib/go-{v}" --go "$go" --variant "$variant" \
      --cmd "$tool -p {pid} --duration 10s --format json" --min-recall 1.0 --min-mem-recall 1.0 "$@" || failed=1
  done
done
exit $failed
