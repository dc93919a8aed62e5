#!/usr/bin/env bash
# Puts LibTorch (the torch==2.13.0 wheel) into .deps/torch, unless FOIL_TORCH_DIR or CMAKE_PREFIX_PATH already names one.
set -euo pipefail
cd "$(dirname "$0")/.."
VERSION=2.13.0
if [ -n "${FOIL_TORCH_DIR:-}" ]; then
  [ -e "$FOIL_TORCH_DIR/share/cmake/Torch/TorchConfig.cmake" ] && exit 0
  echo "FOIL_TORCH_DIR=$FOIL_TORCH_DIR has no share/cmake/Torch/TorchConfig.cmake; unset it, or point it at the torch folder of an installed wheel" >&2
  exit 1
fi
IFS=':' read -ra prefixes <<<"${CMAKE_PREFIX_PATH:-}"
for p in "${prefixes[@]}"; do [ -e "$p/share/cmake/Torch/TorchConfig.cmake" ] && exit 0; done
target=.deps/torch
if [ -e "$target/.version" ] && [ "$(cat "$target/.version")" = "$VERSION" ]; then exit 0; fi
echo "installing LibTorch $VERSION into $target"
rm -rf "$target"
python3 -m pip install --quiet --no-deps --target "$target" "torch==$VERSION"
# A CUDA build of the wheel needs its CUDA packages beside it; a CPU build needs nothing more.
if ldd "$target/torch/lib/libtorch.so" "$target"/torch/lib/libtorch_cuda.so 2>/dev/null | grep -q 'not found'; then
  rm -rf "$target"
  python3 -m pip install --quiet --target "$target" "torch==$VERSION"
fi
echo "$VERSION" >"$target/.version"
