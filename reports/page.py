"""The page: one HTML file with everything in it. It asks nothing of the network."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent / "page"
# In this order: each uses what stands before it, and the last one begins.
SCRIPTS = (
    *("dom", "numbers", "model", "selection", "drawing", "grid", "tables", "plots"),
    *("traces", "sketch", "front", "cards", "choices", "growth", "evidence", "candidates", "start"),
)


def page(data: Mapping[str, Any], title: str) -> str:
    """The data is only ever read as JSON, and what is in it shown as text."""
    parts = {
        "title": html.escape(title),
        "style": _file("style.css"),
        "data": as_json(data),
        "plotly": plotly_script(),
        "script": "\n".join(_file(f"{name}.js") for name in SCRIPTS),
    }
    made = []
    for n, part in enumerate(_file("page.html").split("@")):  # the odd parts are names
        made.append(parts[part] if n % 2 else part)
    return "".join(made)


def plotly_script() -> str:
    """Plotly's script, as a browser reads it soonest: in characters of one byte, and without what
    it is wrapped in for other loaders, for whose sake its 5 MB would be read twice more."""
    from plotly.offline import get_plotlyjs

    text = re.sub(r"[^\x00-\x7f]", lambda one: json.dumps(one[0])[1:-1], get_plotlyjs())
    if "</script" in text.lower():
        raise RuntimeError("this version of plotly.js cannot stand in a page: it ends the script")
    head, begin, rest = text.partition('"use strict";var Plotly=')
    script, end, _ = rest.rpartition("window.Plotly = Plotly;")
    if not (begin and end):
        return text  # of another make: it is read as it is, only later
    return head[: head.index("*/") + 2] + "\n" + begin + script


def as_json(data: Mapping[str, Any]) -> str:
    """JSON that may stand in a script element: nothing in it ends the element or begins another.

    What is not a number there (an unfinished run may have such) becomes null.
    """
    text = json.dumps(_finite(data), separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, Mapping):
        return {str(name): _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return value


def _file(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
