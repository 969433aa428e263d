"""How values are written in C."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence

from kernels.parameters import Array

WIDE = 100
HEADERS = """assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal
    stdarg stdbool stddef stdint stdio stdlib string tgmath time wchar wctype"""
# What C23 has the bits of, in macros like SIZE_WIDTH: ours would be a second one.
WIDTHS = re.compile(
    r"BOOL|S?CHAR|U(CHAR|SHRT|LONG|LLONG)|SHRT|LONG|LLONG|U?INT(MAX|PTR|(_LEAST|_FAST)?\d+)?"
    r"|PTRDIFF|SIG_ATOMIC|SIZE|WCHAR|WINT"
)
KINDS = {
    "float32": "float",
    "int16": "int16_t",
    "int32": "int32_t",
    "uint8": "uint8_t",
}


def check_name(name: str) -> None:
    """What is made of it can be called so. The language keeps names with a _ first for itself."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise ValueError(
            f"a name for C is a letter, and letters, digits and _ behind it; got {name!r}"
        )
    if name.lower() in HEADERS.split():
        raise ValueError(f"{name}.h is a header of C itself: another name is wanted")
    if WIDTHS.fullmatch(name.upper()):
        raise ValueError(f"{name.upper()}_WIDTH is a macro of C itself: another name is wanted")


def number(value: float) -> str:
    """A float32, in every bit: hexadecimal where a decimal would be long."""
    if not math.isfinite(value):
        raise ValueError(f"constants are finite numbers; found {value}")
    decimal = repr(float(value))
    if len(decimal) <= 8:
        return f"{decimal}f"
    whole, power = float(value).hex().split("p")
    return f"{whole.rstrip('0')}p{power}f"


def array(name: str, values: Array) -> str:
    """A constant with the numbers in their order."""
    kind = KINDS[str(values.dtype)]
    flat = values.ravel().tolist()
    texts = map(number, flat) if kind == "float" else map(str, flat)
    return "\n".join((f"static const {kind} {name}[{len(flat)}] = {{", *_lines(texts), "};"))


def _lines(texts: Iterable[str]) -> Iterator[str]:
    line = " "
    for text in texts:
        if len(line) + len(text) + 2 > WIDE:
            yield line
            line = " "
        line += f" {text},"
    yield line


def string(text: str) -> str:
    """Its bytes in UTF-8. Octal, for a hexadecimal number ends where no digit follows."""
    plain = {byte for byte in range(32, 127) if chr(byte) not in '"\\?'}
    written = (chr(byte) if byte in plain else f"\\{byte:03o}" for byte in text.encode())
    return f'"{"".join(written)}"'


def comment(lines: Sequence[str]) -> str:
    """Whatever is said, it ends no comment, begins none, and has none of the old trigraphs."""
    indented = (f"   {line}".rstrip() for line in lines)
    text = "\n".join(indented).strip().encode("ascii", "backslashreplace").decode()
    return f"/* {re.sub(r'/(?=[*])|[*](?=/)|[?](?=[?])', lambda found: found[0] + ' ', text)} */"
