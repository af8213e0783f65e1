#!/bin/bash
# Boots Debian's kernels under qemu with the static gotrace-leak and leaking Go programs, and checks what is found and proved.
#
#   kernels.sh [VERSION...]    default: every kernel that toolchains.sh knows
# Ends with `N passed, N failed`.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

readonly go_version=1.24
readonly tool=$root/build/static/user/gotrace-leak
work=
trap '[[ -z $work ]] || rm -rf "$work"' EXIT

# One file system for all kernels: busybox, the tool, the targets.
make_initramfs() {
  local tree=$work/tree
  mkdir -p "$tree/bin"
  install -m 755 /bin/busybox "$tree/bin/busybox"
  install -m 755 "$tool" "$tree/bin/gotrace-leak"
  strip "$tree/bin/gotrace-leak"
  go_build "$go_version" "$root/tests/targets/leakchan" "$tree/bin/leakchan" -ldflags='-s -w'
  go_build "$go_version" "$root/tests/targets/proofmutating" "$tree/bin/proofmutating" -ldflags='-s -w'
  install -m 755 "$root/build/static/tests/kernels/kernel_precopy" "$tree/bin/precopy"
  strip "$tree/bin/precopy"
  install -m 755 "$root/tests/kernels/init" "$tree/init"
  (cd "$tree" && find . | cpio --quiet -o -H newc | gzip -1) >"$work/initramfs.gz"
}

# boot VERSION: the machine's serial line goes to a log. It powers itself off; a machine that hangs is ended.
boot() {
  timeout 180 qemu-system-x86_64 -machine pc -accel tcg -cpu max -smp 2 -m 768 -nographic -no-reboot -nodefaults \
    -serial stdio -kernel "$kernels/$1/vmlinuz" -initrd "$work/initramfs.gz" \
    -append "console=ttyS0 quiet panic=-1 mitigations=off" </dev/null >"$work/$1.log" 2>&1 ||
    echo "MARK machine did not end by itself" >>"$work/$1.log"
}

main() {
  local versions=("$@") version passed=0 failed=0 ok bad
  if [[ $# -eq 0 ]]; then
    mapfile -t versions < <(find "$kernels" -mindepth 2 -maxdepth 2 -name vmlinuz -printf '%P\n' | cut -d/ -f1 | sort -V)
  fi
  [[ ${#versions[@]} -gt 0 ]] || fail "no kernels in $kernels; run scripts/toolchains.sh kernels"
  build_preset static --target gotrace-leak kernel_precopy
  ! ldd "$tool" >/dev/null 2>&1 || fail "$tool is not static"
  work=$(mktemp -d)
  make_initramfs
  for version in "${versions[@]}"; do
    say "kernel $version"
    boot "$version"
    python3 "$root/tests/kernels/check.py" "$version" "$work/$version.log" "$root/tests/targets/leakchan/main.go" |
      tee "$work/result" || :
    read -r ok bad < <(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed$/\1 \2/p' "$work/result" | tail -n 1)
    passed=$((passed + ok)) failed=$((failed + bad))
  done
  echo "$passed passed, $failed failed"
  [[ $failed -eq 0 ]]
}

main "$@"
