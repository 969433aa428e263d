"""The command line of the search, made from its options."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from nas.console.options import called
from nas.runs.settings import KINDS, READ, Settings, from_toml, settings

HELP = """Searches binary networks by accuracy and by the time they really take on this machine.

Six phases, each kept in the run's folder: plan, profile (how long every op takes here), supernet
(all networks in one are trained), explore (candidates are scored), measure (the front, as whole
packed programs), report. The same command goes on wherever it was stopped or killed."""

EPILOG = """Examples. Minutes on scikit-learn's digits, which come along:

  python -m nas.search --space groupnet

Clothes, at most 0.05 ms an image, and small too:

  python -m nas.search --data fashion-mnist --data-dir data \\
      --max-latency 50us --objectives error,latency,size --run runs/clothes

For another machine, where `python -m kernels profile` measured its ops:

  python -m nas.search --data cifar10 --data-dir data --profile pi4.json"""

PANELS = {
    "what": "What is searched",
    "run": "The run",
    "profile": "Profile",
    "supernet": "Supernet",
    "explore": "Explore",
}


Does = Callable[[Settings, bool], object]


def run_command(does: Does, argv: list[str] | None) -> int:
    """`does`: what is asked for, or only its plan."""
    return called("nas.search", _command(does), argv, says=HELP, examples=EPILOG)


def _command(does: Does) -> Any:
    """A function that typer reads options from: its signature is the table of options."""

    def command(**given: Any) -> None:
        config, plan = given.pop("config"), given.pop("plan")
        options = {} if config is None else from_toml(config)
        # A flag that was not given is not told apart from its default. 0 is no flag.
        options |= {
            n: value for n, value in given.items() if value is not None and value is not False
        }
        where = "" if config is None else f"{config} and options: "
        does(settings(options, where), plan)

    every = [_parameter(f) for f in fields(Settings)]
    every.insert(0, _extra("config", Path | None, None, "options from a TOML file", "run", "FILE"))
    every.insert(
        0, _extra("plan", bool, False, "say how large and how long it is, and stop", "run")
    )
    command.__signature__ = inspect.Signature(every)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in every}
    return command


def _parameter(f: Any) -> inspect.Parameter:
    kinds = KINDS[f.name]
    if bool in kinds:
        kind: Any = bool
    elif f.name in READ or str in kinds:
        kind = Path | None if Path in kinds else str | None
    else:
        kind = float | None if float in kinds else int | None
    shown = f.default
    text = f.metadata["help"]
    if isinstance(shown, tuple):
        shown = ",".join(shown)
    if shown is not None and shown is not False:
        text = f"{text} [dim]({shown})[/dim]"
    default = False if kind is bool else None
    return _extra(f.name, kind, default, text, f.metadata["phase"], f.metadata["metavar"])


def _extra(
    name: str, kind: Any, default: Any, text: str, phase: str, metavar: str = ""
) -> inspect.Parameter:
    flag = f"--{name.replace('_', '-')}"
    option = typer.Option(
        flag, help=text, rich_help_panel=PANELS[phase], show_default=False, metavar=metavar or None
    )
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option]
    )
