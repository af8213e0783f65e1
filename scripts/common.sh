# shellcheck shell=bash
# What the scripts share; sourced, not run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly root
readonly toolchains=${GOTRACE_TOOLCHAINS:-/var/cache/gotrace-leak/go}
readonly servers=${GOTRACE_SERVERS:-/var/cache/gotrace-leak/servers}
readonly kernels=${GOTRACE_KERNELS:-/var/cache/gotrace-leak/kernels}

say() { printf '\n== %s\n' "$*"; }

fail() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

need_root() {
  [[ $EUID -eq 0 ]] || fail "needs root (uprobes, other processes' memory); run with sudo"
}

# configure_preset PRESET: into build/PRESET, with ccache where there is one.
configure_preset() {
  if command -v ccache >/dev/null; then
    export CMAKE_C_COMPILER_LAUNCHER=ccache CMAKE_CXX_COMPILER_LAUNCHER=ccache
    export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1 # what one preset compiled serves another with the same options
  fi
  (cd "$root" && cmake --preset "$1")
}

# build_preset PRESET [CMAKE BUILD ARGUMENT...]
build_preset() {
  local preset=$1
  shift
  configure_preset "$preset" && (cd "$root" && cmake --build --preset "$preset" "$@")
}

# go_build VERSION SOURCE OUTPUT [GO BUILD ARGUMENT...]: one target, static, with the defaults of that Go version.
go_build() {
  local version=$1 source=$2 output=$3 goroot=$toolchains/$1/usr/lib/go-$1 cache=$root/build/targets
  shift 3
  mkdir -p "$cache/mod/$version"
  printf 'module gotrace-leak.test/targets\n\ngo %s\n' "$version" >"$cache/mod/$version/go.mod"
  (cd "$source" && env -u GOPATH GOROOT="$goroot" GOTOOLCHAIN=local GO111MODULE=on GOFLAGS=-mod=mod GOPROXY=off \
    CGO_ENABLED=0 GOCACHE="$cache/gocache" GOPATH="$cache/gopath" \
    "$goroot/bin/go" build -modfile="$cache/mod/$version/go.mod" -buildvcs=false -o "$output" "$@" .)
}
