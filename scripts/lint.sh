#!/bin/bash
# Format, clang-tidy and the order of the folders: lint.sh [format|tidy|order...]   (default: all three)
# clang-tidy reads build/release/compile_commands.json; a file is looked at again only when it, a header of ours or the
# rules changed.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

sources() {
  find "$root/user" "$root/bpf" "$root/include" "$root/tests" \
    -type f \( -name '*.cpp' -o -name '*.h' -o -name '*.bpf.c' \) | sort
}

check_format() {
  say "format: clang-format on $(sources | wc -l) files"
  sources | xargs -r clang-format --dry-run -Werror
}

# Which folders of user/ a folder may include, besides itself and include/gotrace (DESIGN.md section 3).
allowed() {
  case $1 in
    base) ;;
    records) echo base ;;
    process) echo base records ;;
    goruntime) echo base records process ;;
    proof) echo base records process goruntime ;;
    probe) echo base records process goruntime ;;
    trace) echo base records ;;
    model) echo base records ;;
    detect) echo base records model ;;
    report) echo base records model detect ;;
    session) echo base records process goruntime proof probe trace model detect report ;;
    cli) echo base records process goruntime proof probe trace model detect report session ;;
    *) return 1 ;;
  esac
}

check_order() {
  say "order: which folder includes which"
  local broken=0 folder folders included line permitted
  folders=$(cd "$root/user" && find . -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | sort)
  for folder in $folders; do
    permitted=" $folder $(allowed "$folder") " || fail "user/$folder has no place in the order; give it one in $0"
    while IFS= read -r line; do
      included=$(sed -E 's/.*#include "([^/"]+)\/.*/\1/' <<<"$line")
      if grep -qx "$included" <<<"$folders" && [[ $permitted != *" $included "* ]]; then
        echo "user/${line#"$root"/user/}: user/$folder may not include user/$included" >&2
        broken=1
      fi
    done < <(grep -rnE '#include "[^/"]+/' "$root/user/$folder" --include='*.h' --include='*.cpp' | cat)
  done
  return "$broken"
}

# Name of the stamp that says "this file was clean": of its content, every header of ours, and the rules.
stamp_of() {
  cat "$1" "$headers_hash" "$root/.clang-tidy" | sha256sum | cut -c1-32
}

tidy_one() {
  local stamp
  stamp=$stamps/$(stamp_of "$1")
  [[ ! -e $stamp ]] || return 0
  clang-tidy --quiet -p "$root/build/release" "$1" 2>/dev/null && touch "$stamp"
}

check_tidy() {
  [[ -s $root/build/release/compile_commands.json ]] || fail "configure first: cmake --preset release"
  stamps=$root/build/lint
  headers_hash=$stamps/headers
  mkdir -p "$stamps"
  find "$root/user" "$root/include" "$root/bpf" -name '*.h' -type f -print0 | sort -z | xargs -0 sha256sum >"$headers_hash"
  export root stamps headers_hash
  export -f tidy_one stamp_of
  say "clang-tidy on $(find "$root/user" -name '*.cpp' | wc -l) files"
  find "$root/user" -name '*.cpp' -print0 | sort -z | xargs -0 -r -n 1 -P "$(nproc)" bash -c 'tidy_one "$1"' tidy
}

main() {
  local checks=("$@") broken=0
  [[ $# -gt 0 ]] || checks=(format order tidy)
  for tool in clang-format clang-tidy; do
    command -v "$tool" >/dev/null || fail "$tool is missing; run scripts/setup.sh"
  done
  for check in "${checks[@]}"; do
    case $check in
      format | order | tidy) ;;
      *) fail "no such check: $check" ;;
    esac
    if ! "check_$check"; then
      echo "lint: $check: not clean" >&2
      broken=1
    fi
  done
  return "$broken"
}

main "$@"
