"""Commands made from their options: a dataclass says each option once, and how errors are said."""

from __future__ import annotations

import errno
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import MISSING, field, fields
from typing import Annotated, Any, get_type_hints

import typer

GOES_ON = "the same command goes on from here"
FULL = os.strerror(errno.ENOSPC)
INTERRUPTED = 130


def option(default: Any, text: str, *, metavar: str = "") -> Any:
    return field(default=default, metadata={"help": text, "metavar": metavar})


def argument(text: str, metavar: str, default: Any = MISSING) -> Any:
    """What stands without a name; one with a default may be left out."""
    about = {"help": text, "metavar": metavar, "argument": True}
    return field(default=default, metadata=about)


def run(
    name: str,
    options: type[Any],
    does: Callable[[Any], object],
    argv: Sequence[str] | None,
    *,
    says: str,
    examples: str,
    stopped: str = GOES_ON,
) -> int:
    """Reads the options, does it; the exit status. `stopped`: what Ctrl-C leaves."""
    return called(
        name, _command(options, does), argv, says=says, examples=examples, stopped=stopped
    )


def called(
    name: str,
    command: Any,
    argv: Sequence[str] | None,
    *,
    says: str,
    examples: str,
    stopped: str = GOES_ON,
) -> int:
    """The exit status of a function whose signature typer reads."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")
    app.command(help=_unwrapped(says), epilog=examples)(command)
    try:
        args = None if argv is None else [*argv]
        status = int(app(args=args, prog_name=f"python -m {name}", standalone_mode=False) or 0)
    except (KeyboardInterrupt, typer.Abort):
        status = INTERRUPTED
    except typer.Exit as end:  # what typer makes of Ctrl-C, too
        status = end.exit_code
    except Exception as error:
        return _said(name, error, stopped)
    if status == INTERRUPTED:
        print(f"{name}: stopped; {stopped}", file=sys.stderr)
    return status


def _unwrapped(text: str) -> str:
    """Paragraphs without the ends of their lines, which would show on narrower screens."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _said(name: str, error: Exception, stopped: str) -> int:
    """One line for what users can mend; the whole story for what is a defect of ours."""
    usage = getattr(error, "format_message", None)
    if usage is not None:  # an error of click, of which typer may have its own
        print(f"{name}: error: {usage()}", file=sys.stderr)
        return 2
    if type(error).__name__ == "OutOfMemoryError":
        print(f"{name}: error: the device has too little memory: {error}", file=sys.stderr)
        return 2
    if isinstance(error, OSError | ValueError):
        full = f"; make room: {stopped}" if FULL in str(error) else ""
        print(f"{name}: error: {error}{full}", file=sys.stderr)
        return 2
    raise error


def _command(options: type[Any], does: Callable[[Any], object]) -> Any:
    """A function that typer reads the options from: its signature is the table of them."""

    def command(**given: Any) -> None:
        does(options(**given))

    hints = get_type_hints(options)
    every = [_parameter(f, hints[f.name]) for f in fields(options)]
    command.__signature__ = inspect.Signature(every)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in every}
    return command


def _parameter(f: Any, kind: Any) -> inspect.Parameter:
    text, metavar = f.metadata["help"], f.metadata["metavar"] or None
    plain = f.default in (None, MISSING) or isinstance(f.default, bool)
    text = text if plain else f"{text} [dim]({f.default})[/dim]"
    if f.metadata.get("argument"):
        made: Any = typer.Argument(help=text, metavar=metavar, show_default=False)
    else:
        flag = f"--{f.name.strip('_').replace('_', '-')}"
        made = typer.Option(flag, help=text, metavar=metavar, show_default=False)
    default = inspect.Parameter.empty if f.default is MISSING else f.default
    return inspect.Parameter(
        f.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, made]
    )
