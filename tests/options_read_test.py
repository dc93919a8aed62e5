#!/usr/bin/env python3
"""Every field of an option struct must be read by some code: an option that changes nothing is a lie to the user.

Fields are found by their `v("name", member, "help")` lines in headers; reading means that the member's name stands in a source file (or in
a header, outside its declaration, its visit() line and its validate()). Tests do not count as readers.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FIELD = re.compile(r'\bv(?:\.group)?\(\s*"([a-z0-9_]+)",\s*([A-Za-z_][\w.]*),\s*"')

# Read by validate() alone, and rightly so.
CHECKED_ONLY = {
    "allow_truncated_sampling": "a consent: validate() refuses truncated sampling without it",
}


def main() -> int:
    sources = [p for folder in ("src", "app") for p in (ROOT / folder).rglob("*") if p.suffix in (".h", ".cpp") and not p.stem.endswith("_test")]
    text = {p: p.read_text() for p in sources}
    # A line that defines, visits or only checks a field is no reader.
    used: dict[str, int] = {}
    for path, content in text.items():
        content = re.sub(r"::validate\(const std::string& where\) const \{.*?\n\}", "", content, flags=re.S)
        for line in content.splitlines():
            code = line.split("//")[0]
            if FIELD.search(code):
                continue
            declaration = path.suffix == ".h" and re.match(r"\s*(const )?[A-Za-z_][\w:<>, *&]*\s+\w+(\s*=|\s*;|\s*\{|\s*,)", code) and "return" not in code
            for name in set(re.findall(r"(?:\.|->)(\w+)", code)):
                used[name] = used.get(name, 0) + 1
            if not declaration:
                for name in set(re.findall(r"\b(\w+)\b", code)):
                    used[name] = used.get(name, 0) + 1
    fields = unread = 0
    for path, content in sorted(text.items()):
        if path.suffix != ".h" or path.match("src/config/*"):
            continue
        for name, member in FIELD.findall(content):
            fields += 1
            leaf = member.split(".")[-1]
            if not used.get(leaf) and leaf not in CHECKED_ONLY:
                unread += 1
                print(f"{path.relative_to(ROOT)}: option \"{name}\" ({member}) is read by nothing")
    print(f"{fields} options, {unread} unread")
    return 1 if unread or fields == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
