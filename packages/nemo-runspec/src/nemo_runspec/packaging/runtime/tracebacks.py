"""Show source text wherever an exception is shown."""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import Any

_COLOURED_HOOK = (3, 13)


def show_sources_in_tracebacks(file: str, given: Any) -> None:
    """Leave main.py out of tracebacks; before 3.13 Python looks for source text in files only."""
    hidden = {file, given}

    def show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        while trace is not None and trace.tb_frame.f_code.co_filename in hidden:
            trace = trace.tb_next
        shown = error.with_traceback(trace)
        if sys.version_info >= _COLOURED_HOOK:
            sys.__excepthook__(kind, shown, trace)
        else:
            import traceback

            traceback.print_exception(kind, shown, trace)

    sys.excepthook = show


def show_sources_of_the_ignored() -> None:
    """Show source text where exceptions end threads, destructors and exit functions."""

    def show(head: str, error: BaseException | None, *, ignored: bool) -> None:
        from traceback import TracebackException

        if sys.stderr is None or error is None:
            return
        found = TracebackException.from_exception(error)
        for frame in found.stack if ignored and sys.version_info >= _COLOURED_HOOK else ():
            frame.colno = None  # Python itself marks no part of the line then
        sys.stderr.write(head + "".join(found.format(chain=not ignored)))

    def of_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_type is not SystemExit:
            name = threading.get_ident() if args.thread is None else args.thread.name
            show(f"Exception in thread {name}:\n", args.exc_value, ignored=False)

    def unraisable(args: sys.UnraisableHookArgs) -> None:
        about = "" if args.object is None else f" {args.object!r}"
        message = f"{args.err_msg or 'Exception ignored in'}:{about}\n"
        show(message, args.exc_value, ignored=True)

    sys.unraisablehook = unraisable
    if sys.version_info < _COLOURED_HOOK:
        threading.excepthook = of_thread
