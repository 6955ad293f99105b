"""The entry point of the ``nemotron`` command, and its edge: errors become a screen and a code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from nemo_runspec.errors import NemotronError
from nemo_runspec.signals import orderly_end
from nemotron.cli.app import App
from nemotron.cli.completion import COMPLETION_VARIABLE
from nemotron.cli.root import RootGroup
from nemotron.cli.streams import OutputError, give_up_output, prepare_streams

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
    prepare_streams()
    app = App(sys.argv[1:] if argv is None else argv)
    try:
        with orderly_end():
            code = _run(app)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has gone; what is still buffered must not raise again at exit.
        give_up_output()
        return _BROKEN_PIPE
    except OutputError as error:
        give_up_output()
        return _tell(app, error)
    return code


def _run(app: App) -> int:
    request = os.environ.get(COMPLETION_VARIABLE)
    if request:
        from nemotron.cli.shells import serve

        return serve(app, request)
    try:
        result = RootGroup().main(app.argv, prog_name="nemotron", standalone_mode=False, obj=app)
    except OutputError:
        raise
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
    from nemotron.cli.errors import error_document, traceback_text

    debug = "--debug" in app.argv
    if "--json" in app.argv:
        details = {"traceback": traceback_text(error)} if debug else {}
        app.document({"error": error_document(error) | details})
        return error.exit_code
    if debug:
        app.err.write(traceback_text(error))
    return _tell(app, error)


def _tell(app: App, error: NemotronError) -> int:
    from nemotron.cli.errors import error_screen
    from nemotron.cli.panels import screen_of

    app.err.write(error_screen(error, screen_of(app.err)))
    app.err.flush()
    return error.exit_code
