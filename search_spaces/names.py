"""Names people type: the nearest one when there is none such, and objects of their own by place."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable


def unknown(what: str, text: str, names: Iterable[str]) -> ValueError:
    """The error for a name that is not there: what came, what there is, and the nearest."""
    names = [str(name) for name in names]
    near = difflib.get_close_matches(text, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return ValueError(f"{what} {text!r} is not one of {', '.join(names)}{hint}")


def load(place: str) -> object:
    """What `package.module:name` names."""
    module_name, _, name = place.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ValueError(f"{place!r}: no module is called {error.name!r}") from error
    if not hasattr(module, name):
        public = [n for n in vars(module) if not n.startswith("_")]
        raise unknown(f"{place!r}: name", name, public)
    return getattr(module, name)


def tidy(backbone: str) -> str:
    """A backbone's name with its variants in order: `a+z+b` and `a+b+z` are one backbone."""
    base, *variants = (part.strip() for part in backbone.split("+"))
    return "+".join([base, *sorted(variants)])
