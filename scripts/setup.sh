#!/bin/bash
# Installs what this project needs on Debian 12: setup.sh [build|test]   (default: test)
#
# build: compiler, libraries and tools that the release build needs. test: that, and what lint, sanitizers, fuzzing, the
# end-to-end tests and the kernel tests need. Go toolchains, Go servers and kernels are not installed but unpacked beside
# the system by toolchains.sh. Running it again installs nothing twice.
set -euo pipefail

readonly build_packages=(
  bpftool ca-certificates ccache clang cmake g++ libbpf-dev libcapstone-dev libcli11-dev libelf-dev libfmt-dev
  libprotozero-dev libxxhash-dev libzstd-dev linux-libc-dev llvm ninja-build nlohmann-json3-dev pkg-config zlib1g-dev
  binutils debian-archive-keyring catch2
)
readonly test_packages=(
  busybox-static clang-format clang-tidy cpio gdb gzip libclang-rt-14-dev procps python3 python3-jsonschema
  qemu-system-x86 wrk xz-utils zstd
)

fail() {
  echo "setup.sh: $*" >&2
  exit 1
}

main() {
  local mode=${1:-test} packages=("${build_packages[@]}")
  case $mode in
    build) ;;
    test) packages+=("${test_packages[@]}") ;;
    *) fail "unknown argument '$mode'; use build or test" ;;
  esac
  [[ $EUID -eq 0 ]] || fail "installing packages needs root; run with sudo"
  command -v apt-get >/dev/null || fail "no apt-get; this script is for Debian 12"

  local missing=()
  for package in "${packages[@]}"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
  done
  if [[ ${#missing[@]} -eq 0 ]]; then
    echo "setup: all ${#packages[@]} packages are installed"
    return
  fi
  echo "setup: installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq || echo "setup: warning: apt-get update failed in part; trying with what is known" >&2
  apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

main "$@"
