#!/usr/bin/env bash
# install.sh FOLDER: the peers in an environment of their own. llama.cpp is built from source for this processor (about 15 minutes on two cores).
set -euo pipefail
folder=$1
here=$(cd "$(dirname "$0")" && pwd)
stamp=$folder/installed-$(sha256sum "$here/requirements.txt" | cut -c1-12)
[ -e "$stamp" ] && exit 0
python3 -m venv "$folder"
"$folder/bin/pip" install --upgrade pip
CMAKE_ARGS="-DGGML_NATIVE=ON -DLLAMA_BUILD_TOOLS=OFF -DLLAMA_CURL=OFF" "$folder/bin/pip" install --no-binary llama-cpp-python -r "$here/requirements.txt"
touch "$stamp"
