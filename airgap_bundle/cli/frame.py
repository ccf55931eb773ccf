"""How a command runs: from the command line to an exit status.

A console script is an app from `make_app`, functions under `@command(app, …)`, and `main`, which exits with
`run_app(app)`. A command's body gets its options and a `Terminal`, returns an exit status or None for 0, and raises for
the rest. Everything that is raised becomes text, JSON and an exit status here and nowhere else.
"""

import functools
import inspect
import itertools
import os
import sys
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Annotated, Any

import typer
import typer.main

from airgap_bundle import __version__
from airgap_bundle.cli import failures, groups, help_text, options, signals
from airgap_bundle.cli.program import CONTEXT, Program
from airgap_bundle.core.errors import AirgapError, HostError
from airgap_bundle.output.console import Verbosity
from airgap_bundle.output.terminal import Terminal

Body = Callable[..., int | None]
_USAGE_STATUS = 2


def make_app(name: str, about: str, *, examples: str = "") -> Program:
    """An app for one console script: `--version`, `-h`, shell completion, and help when it is called without a word.

    `examples` are the commands to begin with.
    """
    app = Program(name, about, add_completion=True)
    epilog = inspect.cleandoc(examples)

    def version(value: bool) -> None:  # noqa: FBT001 - typer calls it with the value of the flag
        if value:
            sys.stdout.write(f"{name} {__version__}\n")
            raise typer.Exit

    @app.callback(invoke_without_command=True, help=about, epilog=epilog)
    def _root(
        context: typer.Context,
        *,
        _version: Annotated[
            bool, typer.Option("--version", callback=version, is_eager=True, help="Print the version and stop.")
        ] = False,
    ) -> None:
        _help_without_command(context)

    return app


def add_group(parent: Program, name: str, about: str) -> Program:
    """A group of commands below `parent`, such as `policy` with `init` and `show`."""
    group = Program(name, about, add_completion=False)

    @group.callback(invoke_without_command=True, help=about)
    def _group(context: typer.Context) -> None:
        _help_without_command(context)

    parent.offer(name, lambda program: program.add_typer(group.made()))
    return group


def command(
    app: Program,
    name: str,
    *,
    examples: str = "",
    formats: type[Enum] = options.OutputFormat,
    hidden: bool = False,
    rewrite: Callable[[list[str]], list[str]] | None = None,
) -> Callable[[Body], Body]:
    """Make a function a command of `app`; its docstring is the help.

    The function takes its options as annotated parameters or whole groups of them (`groups`), and `terminal:
    Terminal`, for which the command gets `--format`, `--quiet`, `--verbose` and `--debug`. `formats` are the words
    for `--format`; the first is the default. `rewrite` gets the words behind the command's name before they are
    parsed. `examples` are shown below the help as they are written, paragraph by paragraph. The annotations have to
    be real ones, since typer reads them: no `from __future__ import annotations` in a module of commands.
    """

    def make(program: Program, body: Body) -> None:
        own = [one for one in inspect.signature(body, eval_str=True).parameters.values() if one.name != "terminal"]

        @functools.wraps(body)
        def wrapper(**values: Any) -> int:
            debug = values.pop("debug")
            terminal = Terminal(
                str(values.pop("_context").find_root().info_name),
                output_format=values.pop("output_format").value,
                verbosity=_verbosity(quiet=values.pop("quiet"), verbose=values.pop("verbose")),
            )
            given = groups.collect(own, values)
            return guard(lambda: body(terminal=terminal, **given), terminal, debug=debug)

        _advertise(wrapper, own, formats)
        program.command(
            name,
            cls=_command_class(rewrite),
            short_help=help_text.first_sentence(body.__doc__),
            epilog=inspect.cleandoc(examples),
            context_settings=CONTEXT,
            hidden=hidden,
        )(wrapper)

    def register(body: Body) -> Body:
        app.offer(name, lambda program: make(program, body))
        return body

    return register


def _command_class(rewrite: Callable[[list[str]], list[str]] | None) -> type[help_text.Command]:
    """Typer makes the command itself, from a class."""
    if rewrite is None:
        return help_text.Command
    return type("Command", (help_text.Command,), {"rewrite": staticmethod(rewrite)})


def run_app(app: Program, *, arguments: Sequence[str] | None = None) -> int:
    """Run the command that the command line asks for; the exit status. `arguments` leave out the program."""
    asked = list(sys.argv[1:] if arguments is None else arguments)
    signals.install()
    for stream in (sys.stdout, sys.stderr):
        # A name in letters that the locale lacks is shown with escapes; that is no reason to fail.
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")
    program = str(app.info.name)

    def parse_and_run() -> int:
        # Not standalone: what is raised comes here, and the result of the command is its exit status.
        try:
            command = typer.main.get_command(app.made(asked[0] if asked else ""))
            return int(command.main(asked, prog_name=program, standalone_mode=False) or 0)
        except SystemExit:
            # Typer's word for a reader who left while it wrote the help; 1 would mean that something was found.
            if failures.output_is_closed():
                raise BrokenPipeError from None
            raise

    return guard(parse_and_run, Terminal(program, output_format=_asked_format(asked)), debug="--debug" in asked)


def guard(body: Callable[[], int | None], terminal: Terminal, *, debug: bool = False) -> int:
    """Call `body` and turn whatever it raises into text, JSON and the exit status that is returned.

    Only what typer itself needs (`typer.Exit`, `SystemExit`) passes through.
    """
    try:
        with terminal.report:
            status = body() or 0
        # What is still in the buffer may not fit on the disk; now it can be said, at exit it cannot.
        terminal.output.flush()
    except typer.Exit:
        raise
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the one place where everything ends
        return _failed(error, terminal, debug=debug)
    return status


def _failed(error: BaseException, terminal: Terminal, *, debug: bool) -> int:
    if isinstance(error, BrokenPipeError) and failures.output_is_closed():
        # Whoever read it has left and knows. Not everything was delivered all the same.
        failures.discard_output()
        return HostError.exit_status
    failure, trace = _as_ours(error, program=terminal.program, debug=debug)
    try:
        if isinstance(failure, failures.StoppedError):
            terminal.stopped(failure)
        else:
            terminal.fail(failure, failures.source_line, trace)
        terminal.output.flush()
    except OSError:
        # Standard error or standard output cannot be written; the status still tells.
        failures.discard_output()
    return failure.exit_status


def _as_ours(error: BaseException, *, program: str, debug: bool) -> tuple[AirgapError, str]:
    """The error that says it, and the traceback to show with it."""
    match error:
        case AirgapError():
            return error, ""
        case KeyboardInterrupt() | typer.Abort():
            return failures.stopped(), ""
        case typer.TyperException():
            return failures.from_usage(error, program=program), ""
        case OSError():
            return failures.from_os(error), ""
        case MemoryError():
            return failures.out_of_memory(), ""
        case Exception():
            return failures.from_bug(error, debug=debug)
        case _:
            raise error


def _help_without_command(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        sys.stderr.write(context.get_help() + "\n")
        raise typer.Exit(_USAGE_STATUS)


def _verbosity(*, quiet: bool, verbose: bool) -> Verbosity:
    if quiet:
        return Verbosity.QUIET
    return Verbosity.VERBOSE if verbose else Verbosity.NORMAL


def _advertise(wrapper: Callable[..., int], own: list[inspect.Parameter], formats: type[Enum]) -> None:
    """Give the wrapper the signature that typer reads: the body's own, groups spread out, and the shared options."""
    default = next(iter(formats))
    output_format = Annotated[
        formats,  # type: ignore[valid-type]  # a value at run time, which is when typer reads it
        typer.Option("--format", envvar="AIRGAP_FORMAT", help="What standard output holds."),
    ]
    shared: dict[str, tuple[Any, Any]] = {
        "output_format": (output_format, default),
        "quiet": (options.Quiet, False),
        "verbose": (options.Verbose, False),
        "debug": (options.Debug, False),
        "_context": (typer.Context, inspect.Parameter.empty),
    }
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [item.replace(kind=keyword) for one in own for item in groups.expand(one)]
    parameters += [
        inspect.Parameter(name, keyword, default=value, annotation=kind) for name, (kind, value) in shared.items()
    ]
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what `inspect` looks for
    wrapper.__annotations__ = {item.name: item.annotation for item in parameters}


def _asked_format(arguments: Sequence[str]) -> str:
    """The output format, read off a command line that may be wrong otherwise: usage errors have it too."""
    asked = os.environ.get("AIRGAP_FORMAT", "")
    for word, following in itertools.zip_longest(arguments, arguments[1:], fillvalue=""):
        if word == "--":
            break
        if word == "--format":
            asked = following
        elif word.startswith("--format="):
            asked = word.partition("=")[2]
    return asked
