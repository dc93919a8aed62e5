#!/usr/bin/env python3
"""Checks src/layers.txt against every #include under src: no unknown edge, no cycle, no torch header in a core room.

usage: layers_test.py REPOSITORY
"""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
rooms, sides = {}, {}
for line in (root / "src/layers.txt").read_text().splitlines():
    if line and not line.startswith("#"):
        room, side, *uses = line.split()
        rooms[room], sides[room] = [u for u in uses if u != "-"], side

errors = []
seen = []
for room, uses in rooms.items():  # rooms are listed bottom up: an edge upwards would be a cycle
    for other in uses:
        if other not in seen:
            errors.append(f"layers.txt: {room} uses {other}, which is not listed above it")
        elif sides[room] == "core" and sides[other] == "torch":
            errors.append(f"layers.txt: core room {room} uses torch room {other}")
    seen.append(room)

files = 0
for path in sorted((root / "src").rglob("*")):
    if path.suffix not in (".h", ".cpp", ".inc"):
        continue
    files += 1
    room = path.relative_to(root / "src").parts[0]
    if room not in rooms:
        errors.append(f"{path}: folder {room} is not in src/layers.txt")
        continue
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = re.match(r'\s*#\s*include\s*[<"]([^>"]+)[>"]', line)
        if not match:
            continue
        include, where = match.group(1), f"{path.relative_to(root)}:{number}"
        top = include.split("/")[0]
        if sides[room] == "core" and top in ("ATen", "torch", "c10", "cuda"):
            errors.append(f"{where}: torch header {include} in a core room")
        if top in rooms and top != room and top not in rooms[room]:
            errors.append(f"{where}: {room} may not include {include} (allowed: {' '.join(rooms[room]) or 'nothing'})")

print("\n".join(errors) or f"{files} files in {len(rooms)} rooms keep to src/layers.txt")
sys.exit(bool(errors) or files == 0)
