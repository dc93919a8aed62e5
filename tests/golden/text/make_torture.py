#!/usr/bin/env python3
"""Writes torture.jsonl: texts that break tokenizers, one JSON string a line. Deterministic.

    python make_torture.py > torture.jsonl
"""
import json
import random
import sys
import unicodedata

sys.stdout.reconfigure(encoding="utf-8", newline="\n")

R = random.Random(20240607)
LINES = [
    "", " ", "  ", "\n", "\r\n", "\t", " \n", "\n ", " \n \n ", "a", " a", "a ", "  a  ", "a  b", "a   b", "a\n\nb", "a \n b", "a\r\n\r\nb", "a\t\tb", "\t a", " \t a",
    "don't DON'T I'll I'LL we've WE'VE they're THEY'RE it's IT'S I'd I'D I'm I'M", "'s's's 'tis ''s '' 's", "'\u017f '\u017ft x'\u017f", "can\u2019t \u2018quoted\u2019",
    "123", " 123", "1234567890", "1 2 3", "12,345.678", "3.14159e-10", "x1y22z333", "٣٤٥ ४५६ 一二三 ⅷ ½ ¾ ² ³ ₁₂ Ⅻ ㊿ 𝟘𝟙𝟚 𝟗", "1⁄2", "№5", "n²+m³",
    "\\frac{a}{b} + \\sqrt[3]{x^2} = \\boxed{\\text{no}}", "$$\\int_0^\\infty e^{-x^2}\\,dx = \\frac{\\sqrt{\\pi}}{2}$$", "#### 42", "...!!!???", "!!!\n\n!!!\n", "\"'\"'\"", "--- ===\n\n\n", "a.b.c", "(a)(b)", "{ }\r\r\n",
    "def f(x):\n    return x + 1\n\n\nclass A:\n\tpass\n", "if (a<b && c>d) { x--; }  // comment   \n", "    indented\n        more\n", "tab\tsep\tvals\n", "trailing   \n   \n  leading",
    "caf\u00e9 cafe\u0301 cafe\u0301\u0323 e\u0323\u0301 \u1e17 e\u0304\u0301 \u0041\u030a \u212b \u00c5", "\ufb01 \ufb06 \u01c4 \u0132 ŉ", "Å̊ q̣̇ q̣̇", "한국어 ᄒ\u1161\u11ab 하\u11ab ᄀ\u1161", "か\u3099 が ガ カ\u3099",
    "日本語のテキスト、中文文本。한국어 텍스트", "Привет, мир! Ёлка й и\u0306", "Ελληνικά ΰ υ\u0308\u0301", "שלום עולם שָׁלוֹם", "مرحبا بالعالم ٱلْعَرَبِيَّةُ", "नमस्ते दुनिया क्\u200dष", "ไทย ภาษาไทย", "မြန်မာ", "ភាសាខ្មែរ", "አማርኛ", "Tiếng Việt ệ e\u0302\u0323 e\u0323\u0302",
    "👍🏽 👨‍👩‍👧‍👦 🏳️‍🌈 🇩🇪🇫🇷 ❤️ ☃︎ 1️⃣", "🙂🙂🙂🙂", "a🙂b 🙂 c", "𝒜𝓁𝓅𝒽𝒶 𝔊𝔬𝔱𝔥 𝕏", "𠀀𠀁𪚥 𰻞", "\U0001F600\uFE0F\u200D", "\u200b\u200c\u200d\u2060\ufeff", "a\u00a0b\u2003c\u3000d\u2028e\u2029f\u0085g\u1680h\u180ei", "\u00a0 \u00a0a", "  \u2003 a", "\u3000\n\u3000", "x\u000b\u000cy", "\u001c\u001d\u001e\u001f",
    "\u0000", "a\u0000b", "\u0001\u0002\u007f\u0080\u009f", "\ufffd \ufffe \uffff \U0010ffff", "\ue000\uf8ff", "\U000e0001\U000e0061", "\u202eevil\u202c", "Z̷̧̛͔a̸l̵g̴o̷", "\u0301a", "\u0345\u0334a\u0345\u0334",
    "_under_score_ __dunder__ snake_case", "camelCaseHTTPServer", "e-mail@example.org http://a.b/c?d=e&f#g", "@user #tag", "A" * 70, "ab" * 100, "=" * 200, " " * 100 + "x", "\n" * 50, "\n \n" * 20, "9" * 100, "é" * 60, "日" * 60, "🙂" * 40,
    "<|im_start|>user\nHi<|im_end|>\n", "<|endoftext|>", "a<|endoftext|>b", " <|endoftext|> ", "<|endoftext|><|endoftext|>", "<|im_start|", "<|im_start|><|im_start|>x<|im_end|>", "<tool_call>\n{\"name\": \"f\"}\n</tool_call>", "<|endoftext|>\u0301", "e<|im_end|>\u0301",
    "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nhi<|eot_id|>", "<think>\nhm\n</think>\n\nyes", "< |im_end|>", "<|IM_END|>", "<|im_end|>\n<|im_start|>assistant\n",
]
for c in list(range(0x20, 0x250)) + list(range(0x2000, 0x2070)) + list(range(0x3000, 0x3020)) + [0x1D7CE, 0x10FFFF, 0x1E900, 0x16B50, 0x11066, 0x1F1E6, 0x323AF, 0x105C0, 0x1C80, 0x10D40]:
    ch = chr(c)
    LINES.append(f"{ch}a{ch}{ch} {ch}1{ch} {ch} .{ch}\n{ch}\n\n{ch}'s{ch}")
pools = [
    [chr(c) for c in range(0x20, 0x7F)],
    list(" \t\n\r\u00a0\u2003\u3000\u0085") + list("aZ1.'é"),
    [chr(c) for c in range(0xA0, 0x250)] + [chr(c) for c in range(0x300, 0x330)],
    [chr(c) for c in list(range(0x370, 0x600)) + list(range(0x900, 0x980)) + list(range(0xE00, 0xE80))],
    [chr(c) for c in list(range(0x1100, 0x1200)) + list(range(0xAC00, 0xAC80)) + list(range(0x3040, 0x3100))],
    [chr(c) for c in range(0x20, 0x30000) if not 0xD800 <= c <= 0xDFFF],
    ["'s", "'T", "'Re", "'ll", "'", " ", "  ", "\n", "\r\n", "a", "B", "é", "1", "22", "...", "!", "\t", "日", "🙂", "<|im_end|>", "<|endoftext|>", "<", "|", "\u0301", "ſ"],
    ["\\frac", "{", "}", "$", "^", "_", "x", "12", " = ", " + ", "\\cdot ", "\n", "Let ", "the", " number", ",", ".", "  "],
]
for pool in pools:
    for _ in range(60):
        LINES.append("".join(R.choice(pool) for _ in range(R.randint(1, 40))))
for _ in range(150):
    LINES.append("".join(R.choice(R.choice(pools)) for _ in range(R.randint(1, 60))))
# Every block of the Basic Multilingual Plane that has letters, composed and decomposed.
for block in range(0, 0x10000, 64):
    text = "".join(chr(c) for c in range(block, block + 64) if unicodedata.category(chr(c)) not in ("Cs", "Cn"))
    if text and not 0x3400 <= block < 0xA000 and not 0xAC80 <= block < 0xD780 and not 0xE040 <= block < 0xF8C0:
        LINES.append(text)
        LINES.append(unicodedata.normalize("NFD", text))
for line in LINES:
    print(json.dumps(line, ensure_ascii=False))
