#!/usr/bin/env bash
# Puts LibTorch (the torch==2.13.0 wheel) into .deps/torch, unless FOIL_TORCH_DIR or CMAKE_PREFIX_PATH already names one.
# FOIL_CUDA=on|off says whether its CUDA side is wanted; unset, a GPU in this machine decides.
set -euo pipefail
cd "$(dirname "$0")/.."
VERSION=2.13.0
if [ -n "${FOIL_TORCH_DIR:-}" ]; then
  [ -e "$FOIL_TORCH_DIR/lib/libtorch_cpu.so" ] && exit 0
  echo "FOIL_TORCH_DIR=$FOIL_TORCH_DIR has no lib/libtorch_cpu.so; unset it, or point it at the torch folder of an installed wheel" >&2
  exit 1
fi
IFS=':' read -ra prefixes <<<"${CMAKE_PREFIX_PATH:-}"
for p in "${prefixes[@]}"; do [ -e "$p/lib/libtorch_cpu.so" ] && exit 0; done
cuda=${FOIL_CUDA:-}
if [ -z "$cuda" ]; then
  if [ -e /dev/nvidiactl ] || nvidia-smi -L >/dev/null 2>&1; then cuda=on; else cuda=off; fi
fi
target=.deps/torch
have=$(cat "$target/.version" 2>/dev/null || true)
# What serves a GPU serves a machine without one.
if [ "$have" = "$VERSION cuda" ] || { [ "$have" = "$VERSION" ] && [ "$cuda" != on ]; }; then exit 0; fi
echo "installing LibTorch $VERSION into $target"
rm -rf "$target"
pip=(python3 -m pip install --quiet --target "$target")
"${pip[@]}" --no-deps "torch==$VERSION"
made="$VERSION"
if [ -e "$target/torch/lib/libtorch_cuda.so" ]; then  # the CUDA build of the wheel
  toolkit=$(sed -n 's/^Requires-Dist: cuda-toolkit\[.*\]==\([0-9.]*\).*/\1/p' "$target"/torch-*.dist-info/METADATA)
  if [ "$cuda" = on ]; then
    echo "with its CUDA packages (some 3 GB); FOIL_CUDA=off leaves them out"
    rm -rf "$target"
    "${pip[@]}" "torch==$VERSION" "nvidia-cuda-crt==${toolkit%.*}.*"
    made="$VERSION cuda"
  else  # what its CPU side is linked with
    "${pip[@]}" "cuda-toolkit[cudart,cupti]==$toolkit"
  fi
elif [ "$cuda" = on ]; then
  echo "the torch==$VERSION wheel that pip found is a CPU build: foil will not use the GPU. Point FOIL_TORCH_DIR at the torch folder of a CUDA build to change that" >&2
  made="$VERSION cuda"  # nothing more to be had from here
fi
echo "$made" >"$target/.version"
