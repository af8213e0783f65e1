#!/bin/bash
# Command 2: installs, builds and runs every test; ends with the line `N passed, N failed`; exit 1 when one failed.
#
#   sudo ./scripts/test.sh [PHASE...]     default: all phases, in this order
#
# setup        packages, Go toolchains, servers, kernels (only what is missing)
# build        the release preset
# unit         unit tests and fuzz corpora, release
# e2e          gotrace-leak on real Go programs (tests/e2e)
# sanitizers   unit tests and fuzz corpora under AddressSanitizer and UndefinedBehaviorSanitizer
# lint         format, order of the folders
# tidy         clang-tidy
# kernels      the static build on Debian's 5.10, 6.1 and 6.12 kernels, under qemu
# The output of each phase goes to build/logs/PHASE.log and is shown when the phase fails.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

readonly logs=$root/build/logs
readonly all_phases=(setup build unit e2e sanitizers lint tidy kernels)
passed=0
failed=0
later=() # phases after the one that runs
ahead=

trap '[[ -z $ahead ]] || kill -- "-$ahead" 2>/dev/null' EXIT

count() { # count PASSED FAILED
  passed=$((passed + $1))
  failed=$((failed + $2))
}

# step NAME COMMAND...: one pass or one failure.
step() {
  local name=$1 log=$logs/$1.log begin=$SECONDS
  shift
  printf '%-28s ' "$name"
  if "$@" >"$log" 2>&1; then
    echo "ok (${name}.log, $((SECONDS - begin)) s)"
    count 1 0
  else
    echo "FAILED after $((SECONDS - begin)) s"
    tail -n 60 "$log" | sed 's/^/    /'
    count 0 1
    return 1
  fi
}

# tests NAME COMMAND...: counts the tests that the command's output counts; a command that counts none is one failure.
tests() {
  local name=$1 log=$logs/$1.log begin=$SECONDS status=0 numbers ok bad
  shift
  printf '%-28s ' "$name"
  "$@" >"$log" 2>&1 || status=$?
  # Ours: "N passed, N failed". ctest's: "P% tests passed, F tests failed out of T".
  numbers=$(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed$/\1 \2/p; s/.*tests passed, ([0-9]+) tests failed out of ([0-9]+)$/ctest \1 \2/p' \
    "$log" | tail -n 1)
  case $numbers in
    ctest\ *) read -r _ bad ok <<<"$numbers" && ok=$((ok - bad)) ;;
    ?*) read -r ok bad <<<"$numbers" ;;
    *) ok=0 bad=1 ;;
  esac
  if [[ $status -ne 0 && $bad -eq 0 ]]; then
    bad=1
  fi
  count "$ok" "$bad"
  echo "$ok passed, $bad failed ($((SECONDS - begin)) s)"
  if [[ $bad -gt 0 ]]; then
    grep -vE '^ok  |^ +Start +[0-9]+: |Passed +[0-9.]+ sec$' "$log" | tail -n 150 | sed 's/^/    /'
    return 1
  fi
}

phase_setup() {
  step packages "$root/scripts/setup.sh" test && step toolchains "$root/scripts/toolchains.sh"
}

phase_build() { step build build_preset release; }

phase_lint() {
  local clean=0 check
  for check in format order; do
    step "lint-$check" "$root/scripts/lint.sh" "$check" || clean=1
  done
  return "$clean"
}

phase_tidy() { step lint-tidy "$root/scripts/lint.sh" tidy; }

run_ctest() { (cd "$root" && ctest --preset "$1" -j "$(nproc)"); }

phase_unit() { tests unit run_ctest release; }

phase_sanitizers() { step build-sanitizers build_preset asan && tests sanitizers run_ctest asan; }

# The end-to-end tests mostly wait: meanwhile what later phases need is built, at the lowest priority. Those phases run the
# same commands again, find the work done, and report what was wrong with it.
build_ahead() { # build_ahead PHASE...: what those need
  local phase
  for phase in "$@"; do
    case $phase in
      sanitizers) build_preset asan ;;
      kernels) build_preset static ;;
      tidy) "$root/scripts/lint.sh" tidy ;;
    esac
  done
}

start_ahead() {
  set -m # a process group of its own, so that it can be ended as a whole
  (renice -n 19 "$BASHPID" && build_ahead "${later[@]}") >"$logs/ahead.log" 2>&1 &
  ahead=$!
  set +m
}

finish_ahead() {
  [[ -n $ahead ]] || return 0
  wait "$ahead" || echo "test.sh: building ahead failed; the phase that needs it says why" >&2
  ahead=
}

phase_e2e() {
  local result=0
  [[ ${#later[@]} -eq 0 ]] || start_ahead
  tests e2e python3 "$root/tests/e2e/run.py" || result=1
  finish_ahead
  return "$result"
}

phase_kernels() { tests kernels "$root/scripts/kernels.sh"; }

main() {
  local phases=("$@") phase
  [[ $# -gt 0 ]] || phases=("${all_phases[@]}")
  need_root
  mkdir -p "$logs"
  for phase in "${phases[@]}"; do
    declare -F "phase_$phase" >/dev/null || fail "no such phase: $phase; there are ${all_phases[*]}"
  done
  later=("${phases[@]}")
  for phase in "${phases[@]}"; do
    later=("${later[@]:1}")
    if ! "phase_$phase" && [[ $phase == setup || $phase == build ]]; then
      echo "test.sh: nothing more can be tested without $phase" >&2
      break
    fi
  done
  echo "$passed passed, $failed failed"
  [[ $failed -eq 0 && $passed -gt 0 ]]
}

main "$@"
