#!/bin/bash
# Command 1: sudo ./scripts/demo.sh
#
# On a machine with nothing but Debian 12: installs what is needed, builds gotrace-leak, starts a small leaking Go server
# (tests/targets/demo, stripped), attaches to it for 10 seconds, prints the report, and checks that it names the leaking
# line. Leaves nothing running.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

readonly go_version=1.24
server=
work=

clean_up() {
  if [[ -n $server ]]; then
    kill -KILL "$server" 2>/dev/null || echo "orderd has gone already"
    wait "$server" 2>/dev/null || :
  fi
  [[ -z $work ]] || rm -rf "$work"
}
trap clean_up EXIT

# Starts orderd and waits until it says that it is ready.
start_server() {
  local line
  mkfifo "$work/ready"
  "$work/orderd" >"$work/ready" 2>"$work/orderd.log" &
  server=$!
  read -r -t 30 line <"$work/ready" && [[ $line == READY ]] || fail "the demo server did not start: $(cat "$work/orderd.log")"
}

main() {
  need_root
  say "1/5 packages and the Go $go_version toolchain"
  "$root/scripts/setup.sh" build
  "$root/scripts/toolchains.sh" "$go_version"

  say "2/5 building gotrace-leak (release)"
  build_preset release --target gotrace-leak

  work=$(mktemp -d)
  say "3/5 building and starting orderd, a server with two leaks, stripped"
  go_build "$go_version" "$root/tests/targets/demo" "$work/orderd" -ldflags='-s -w'
  start_server
  echo "orderd runs with pid $server"

  say "4/5 gotrace-leak -p $server --duration 10s"
  "$root/build/release/user/gotrace-leak" -p "$server" --duration 10s | tee "$work/report"

  say "5/5 does it name the leak?"
  local place
  place=$(grep -n '// LEAK' "$root/tests/targets/demo/quote.go" | cut -d: -f1)
  grep -qE "LEAK" "$work/report" || fail "the report names no leak"
  grep -q "quote.go:$place" "$work/report" || fail "the report does not name quote.go:$place"
  kill -0 "$server" || fail "orderd did not survive"
  echo "yes: quote.go:$place, the go statement whose goroutines never end; orderd still runs"
}

main "$@"
