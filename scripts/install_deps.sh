#!/usr/bin/env bash
# Installs what foil builds with on Debian 12: compilers and libraries from Debian, LibTorch from PyPI. Does nothing when all is there.
set -euo pipefail
cd "$(dirname "$0")/.."
packages=(g++ cmake ninja-build make git python3 python3-pip python3-venv ccache mold pkg-config
  libyaml-cpp-dev libcli11-dev nlohmann-json3-dev libspdlog-dev libfmt-dev libpcre2-dev libutf8proc-dev
  libcpp-httplib-dev libssl-dev libflint-dev libflint-arb-dev libgmp-dev libmimalloc-dev libgtest-dev libgmock-dev
  libgloo-dev)
if command -v dpkg-query >/dev/null; then
  missing=()
  for p in "${packages[@]}"; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || missing+=("$p")
  done
  # A compiler, cmake or python from elsewhere serves as well as Debian's.
  wanted=()
  for p in "${missing[@]:-}"; do
    case "$p" in
      "") ;;
      g++ | cmake | make | git | python3 | ccache | mold) command -v "$p" >/dev/null || wanted+=("$p") ;;
      python3-pip) python3 -m pip --version >/dev/null 2>&1 || wanted+=("$p") ;;
      python3-venv) python3 -c 'import venv, ensurepip' 2>/dev/null || wanted+=("$p") ;;
      *) wanted+=("$p") ;;
    esac
  done
  if [ "${#wanted[@]}" -gt 0 ]; then
    echo "installing Debian packages: ${wanted[*]}"
    as_root=""
    if [ "$(id -u)" != 0 ]; then
      command -v sudo >/dev/null || { echo "these packages need root: run  apt-get install ${wanted[*]}  as root, then try again" >&2; exit 1; }
      as_root=sudo
    fi
    $as_root apt-get update -qq
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${wanted[@]}" >/dev/null
  fi
else
  echo "not a Debian system: install the equivalents of: ${packages[*]}" >&2
fi
scripts/install_torch.sh
