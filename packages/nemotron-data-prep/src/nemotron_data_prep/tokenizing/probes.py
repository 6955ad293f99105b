"""Texts that tokenizers are known to disagree about, whatever the data."""

from __future__ import annotations

import random
import string
import unicodedata
from collections.abc import Iterator

from tokenizers import Tokenizer

from nemotron_data_prep.tokenizing.parity import Specimen

_RUN_CHARACTERS = 20_000
_ACCENTED = "Ångström naïve Żółć ﬁnal ½ ² \u210c Ⅸ한국어 ガギグ ñ ḍ̇ q̣̇ क़ Ω Ω"
_PLAIN = (
    "",
    " ",
    "   leading and trailing   ",
    "\t\ttabs\n\n\nand\r\nbreaks \n x\u2028y\u00a0z\u3000\ufeff",
    "I'm you're he'LL they'Ve 'tis don't''",
    "0 12 345 6789 1,234,567.89 3.14e-10 \uff11\uff12\uff13",
    "👩\u200d👩\u200d👧 🇩🇪 👍🏽 \U0001f9ff",
    "日本語のテキスト。中文文本\uff0c没有空格 ไทยไม่มีช่องว่าง",
    "\x00\x01\x7f\u0085\ufffd\ufffe\U0010ffff",
    "def f(x):\n    return {'a': [x**2, -1]}  # !@#$%^&*()_+-=~`|\\<>?/",
)
_RUNS = ("a", "ab", "Zz9", "0", "é", "漢字", "=", "-", " ", "\n", "\t ", ".", "😀")


def probes(tokenizer: Tokenizer) -> Iterator[Specimen]:
    """Empty text, both Unicode normal forms, long runs, and every added token."""
    for text in _PLAIN:
        yield Specimen(f"the text {text[:40]!r}", text)
    for form in ("NFC", "NFD"):
        yield Specimen(f"text in {form}", unicodedata.normalize(form, _ACCENTED))
    for unit in _RUNS:
        run = unit * (_RUN_CHARACTERS // len(unit))
        yield Specimen(f"a run of {len(run):,} characters {unit!r}", run)
    chance = random.Random(0)  # noqa: S311 - reproducible, not secret
    word = "".join(chance.choices(string.ascii_letters + string.digits, k=_RUN_CHARACTERS))
    yield Specimen(f"a word of {len(word):,} letters and digits", word)
    for token in tokenizer.get_added_tokens_decoder().values():
        yield from _around(token.content)


def _around(token: str) -> Iterator[Specimen]:
    for text in (token, f"a{token}b", f"a {token} b", f"\n{token}\n", token * 2, token[:-1]):
        yield Specimen(f"the text {text!r}", text)
