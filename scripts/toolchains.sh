#!/bin/bash
# Unpacks Go toolchains, Go servers and kernels from Debian's suites, beside the system: nothing is installed.
#
#   toolchains.sh [ITEM...]     default: everything
#   ITEM: a Go version (1.24) | go (all of them) | servers | kernels | delve (only for benchmarks, not in the default)
#
# Results: $GOTRACE_TOOLCHAINS/VERSION/usr/lib/go-VERSION   (default /var/cache/gotrace-leak/go)
#          $GOTRACE_SERVERS/usr/bin/{caddy,prometheus,etcd} (default /var/cache/gotrace-leak/servers)
#          $GOTRACE_KERNELS/VERSION/{vmlinuz,...}           (default /var/cache/gotrace-leak/kernels)
#          $GOTRACE_DELVE/usr/bin/dlv                       (default /var/cache/gotrace-leak/delve)
# Only what is missing is fetched. Packages are verified by apt with Debian's archive keys.
set -euo pipefail

readonly go_dir=${GOTRACE_TOOLCHAINS:-/var/cache/gotrace-leak/go}
readonly servers_dir=${GOTRACE_SERVERS:-/var/cache/gotrace-leak/servers}
readonly kernels_dir=${GOTRACE_KERNELS:-/var/cache/gotrace-leak/kernels}
readonly delve_dir=${GOTRACE_DELVE:-/var/cache/gotrace-leak/delve}
readonly keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# Which suite carries which version.
declare -rA go_suite=(
  [1.15]=bullseye [1.19]=bookworm [1.21]=bookworm-backports [1.22]=bookworm-backports [1.23]=bookworm-backports
  [1.24]=trixie [1.25]=trixie-backports [1.26]=trixie-backports [1.27]=trixie-backports
)
declare -rA kernel_suite=([5.10]=bullseye [6.1]=bookworm [6.12]=trixie)
readonly server_packages=(caddy prometheus etcd-server)

work=
trap '[[ -z $work ]] || rm -rf "$work"' EXIT

fail() {
  echo "toolchains.sh: $*" >&2
  exit 1
}

# The mirror that this system's apt uses for Debian itself.
system_mirror() {
  local mirror
  mirror=$(apt-cache policy base-files | awk '/ https?:\/\// && $3 ~ /\/main$/ && $2 !~ /security/ { print $2; exit }')
  echo "${mirror:-http://deb.debian.org/debian}"
}

# apt with the lists, sources and cache of one suite only.
suite_apt() {
  local suite=$1 tool=$2
  shift 2
  "$tool" -qq -o Dir::State::Lists="$work/$suite/lists" -o Dir::State::status=/dev/null \
    -o Dir::Etc::SourceList="$work/$suite/sources.list" -o Dir::Etc::SourceParts=/nonexistent \
    -o Dir::Cache="$work/$suite/cache" -o APT::Sandbox::User=root -o APT::Architecture=amd64 \
    -o APT::Architectures::=amd64 -o Acquire::Languages=none -o Acquire::Retries=3 "$@"
}

# Reads a suite's package list once; old suites move from the mirrors to archive.debian.org.
open_suite() {
  local suite=$1 mirror
  [[ ! -e $work/$suite/ready ]] || return 0
  mkdir -p "$work/$suite/lists/partial" "$work/$suite/cache/archives/partial"
  for mirror in "$(system_mirror)" http://deb.debian.org/debian http://archive.debian.org/debian; do
    echo "deb [signed-by=$keyring] $mirror $suite main" >"$work/$suite/sources.list"
    if suite_apt "$suite" apt-get update --error-on=any 2>"$work/$suite/error"; then
      touch "$work/$suite/ready"
      return 0
    fi
    echo "toolchains: $suite is not on $mirror: $(tail -n 1 "$work/$suite/error")" >&2
  done
  fail "cannot read the package list of Debian's suite $suite; check the network"
}

# unpack SUITE DESTINATION PACKAGE...: all or nothing.
unpack() {
  local suite=$1 destination=$2
  shift 2
  open_suite "$suite"
  local download=$work/$suite/download
  rm -rf "$download" "$destination.new"
  mkdir -p "$download" "$destination.new"
  (cd "$download" && suite_apt "$suite" apt-get download "$@") || fail "cannot download $* from $suite"
  for package in "$download"/*.deb; do
    dpkg -x "$package" "$destination.new"
  done
  rm -rf "$download" "$destination"
  mv "$destination.new" "$destination"
}

get_go() {
  local version=$1 tree=$go_dir/$1
  if "$tree/usr/lib/go-$version/bin/go" version >/dev/null 2>&1; then
    return 0
  fi
  [[ -n ${go_suite[$version]:-} ]] || fail "no Debian suite is known for Go $version; known: ${!go_suite[*]}"
  echo "toolchains: Go $version from ${go_suite[$version]}"
  unpack "${go_suite[$version]}" "$tree" "golang-$version-go" "golang-$version-src"
  echo "toolchains: $("$tree/usr/lib/go-$version/bin/go" version)"
}

get_servers() {
  if [[ -x $servers_dir/usr/bin/caddy && -x $servers_dir/usr/bin/prometheus && -x $servers_dir/usr/bin/etcd ]]; then
    return 0
  fi
  echo "toolchains: ${server_packages[*]} from bookworm"
  unpack bookworm "$servers_dir" "${server_packages[@]}"
}

# The first delve that knows Go 1.24.
get_delve() {
  [[ ! -x $delve_dir/usr/bin/dlv ]] || return 0
  echo "toolchains: delve from trixie"
  unpack trixie "$delve_dir" delve
}

# The meta package names the real one; only boot/ is kept.
get_kernel() {
  local version=$1 suite=${kernel_suite[$1]} package
  [[ ! -s $kernels_dir/$version/vmlinuz ]] || return 0
  open_suite "$suite"
  package=$(suite_apt "$suite" apt-cache show linux-image-cloud-amd64 |
    sed -n 's/^Depends:.*\(linux-image-[0-9][^ ,]*\).*/\1/p' | sort -V | tail -n 1)
  [[ -n $package ]] || fail "linux-image-cloud-amd64 of $suite names no kernel"
  echo "toolchains: $package from $suite"
  unpack "$suite" "$kernels_dir/$version" "$package"
  mv "$kernels_dir/$version"/boot/vmlinuz-* "$kernels_dir/$version/vmlinuz"
  mv "$kernels_dir/$version"/boot/config-* "$kernels_dir/$version/config"
  find "$kernels_dir/$version" -mindepth 1 -maxdepth 1 -type d -exec rm -rf {} +
}

get() {
  local version
  case $1 in
    go) for version in $(printf '%s\n' "${!go_suite[@]}" | sort -V); do get_go "$version"; done ;;
    servers) get_servers ;;
    delve) get_delve ;;
    kernels) for version in $(printf '%s\n' "${!kernel_suite[@]}" | sort -V); do get_kernel "$version"; done ;;
    *) get_go "$1" ;;
  esac
}

main() {
  local items=("$@")
  [[ $# -gt 0 ]] || items=(go servers kernels)
  mkdir -p "$go_dir" "$(dirname "$servers_dir")" "$kernels_dir"
  work=$(mktemp -d)
  for item in "${items[@]}"; do
    get "$item"
  done
  echo "toolchains: ready: ${items[*]}"
}

main "$@"
