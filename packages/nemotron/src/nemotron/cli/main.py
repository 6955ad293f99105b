"""The entry point of the ``nemotron`` command, and its edge: errors become a screen and a code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from nemo_runspec.errors import NemotronError
from nemotron.cli.app import App
from nemotron.cli.completion import COMPLETION_VARIABLE
from nemotron.cli.root import RootGroup

_INTERRUPTED = 130
_BROKEN_PIPE = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line.

    Args:
        argv: The words after ``nemotron``; by default this process's.

    Returns:
        The exit code: 0, 1 for a failure, 2 for a wrong request, 130 after Ctrl-C, or the code
        of a failed job.
    """
    app = App(sys.argv[1:] if argv is None else argv)
    try:
        code = _run(app)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has gone; what is still buffered must not raise again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    return code


def _run(app: App) -> int:
    request = os.environ.get(COMPLETION_VARIABLE)
    if request:
        from nemotron.cli.shells import serve

        return serve(app, request)
    try:
        result = RootGroup().main(app.argv, prog_name="nemotron", standalone_mode=False, obj=app)
    except NemotronError as error:
        return _report(app, error)
    except click.ClickException as error:
        from nemotron.cli.errors import as_nemotron_error

        return _report(app, as_nemotron_error(error))
    except (KeyboardInterrupt, click.Abort):
        app.err.write("Interrupted.\n")
        return _INTERRUPTED
    return result if isinstance(result, int) else 0


def _report(app: App, error: NemotronError) -> int:
    from nemotron.cli.errors import error_document, error_screen, traceback_text
    from nemotron.cli.panels import screen_of

    debug = "--debug" in app.argv
    if "--json" in app.argv:
        details = {"traceback": traceback_text(error)} if debug else {}
        app.document({"error": error_document(error) | details})
        return error.exit_code
    if debug:
        app.err.write(traceback_text(error))
    app.err.write(error_screen(error, screen_of(app.err)))
    app.err.flush()
    return error.exit_code
