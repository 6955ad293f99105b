"""Texts that tokenizers are known to disagree about, whatever the data."""

from __future__ import annotations

import random
import string
import unicodedata
from collections.abc import Iterator
from functools import partial
from typing import Literal

from tokenizers import Tokenizer

from nemotron_data_prep.tokenizing.parity import Specimen

_LONG, _SHORT = 20_000, 2_000
_SHOWN_CHARACTERS = 60
_FORMS: tuple[Literal["NFC", "NFD"], ...] = ("NFC", "NFD")
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
_RUNS = {
    **dict.fromkeys(("a", "0", "é", " "), _LONG),
    **dict.fromkeys(("ab", "Zz9", "漢字", "=", "-", "\n", "\t ", ".", "😀"), _SHORT),
}


def probes(tokenizer: Tokenizer) -> Iterator[Specimen]:
    """Empty text, both Unicode normal forms, long runs, and every added token."""
    for text in _texts(tokenizer):
        yield Specimen(text, partial(_shown, text))


def _texts(tokenizer: Tokenizer) -> Iterator[str]:
    yield from _PLAIN
    for form in _FORMS:
        yield unicodedata.normalize(form, _ACCENTED)
    for unit, characters in _RUNS.items():
        yield unit * (characters // len(unit))
    chance = random.Random(0)  # noqa: S311 - reproducible, not secret
    yield "".join(chance.choices(string.ascii_letters + string.digits, k=_LONG))
    for added in tokenizer.get_added_tokens_decoder().values():
        token = added.content
        yield from (token, token * 2, f"a{token}b", f"a {token} b", f"\n{token}\n", token[:-1])


def _shown(text: str) -> str:
    if len(text) <= _SHOWN_CHARACTERS:
        return f"the text {text!r}"
    return f"the text of {len(text):,} characters that starts {text[:_SHOWN_CHARACTERS]!r}"
