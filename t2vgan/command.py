"""What every command line does with a mistake: one line on stderr and exit status 2, never a traceback. A warning of
t2vgan is one line too."""

from __future__ import annotations

import errno
import io
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def run_command(main: Callable[[], None]) -> None:
    """Runs `main`; a ValueError or a missing file is the user's to mend and is said in one line.

    `T2VGAN_TRACEBACK=1` shows where it came from, for people who work on t2vgan itself.
    """
    escape_what_cannot_be_printed()
    before, traced = warnings.formatwarning, bool(os.environ.get("T2VGAN_TRACEBACK"))
    if not traced:
        warnings.formatwarning = _in_one_line(before)
    try:
        main()
    except KeyboardInterrupt:
        print("\nt2vgan: stopped", file=sys.stderr)
        raise SystemExit(130) from None
    except (ValueError, OSError) as mistake:
        if traced:
            raise
        text = str(mistake)
        if isinstance(mistake, OSError) and mistake.errno in NO_ROOM:
            text = f"no room is left on the disk ({text}): make room, then give the same command again"
        print("t2vgan: error: " + " ".join(text.split()), file=sys.stderr)
        raise SystemExit(2) from None
    finally:
        warnings.formatwarning = before


def escape_what_cannot_be_printed() -> None:
    """File names need not be UTF-8, and a screen need not know every letter: neither ends a command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _in_one_line(otherwise: Callable[..., str]) -> Callable[..., str]:
    """Warnings of t2vgan without the place in the code, which helps nobody who trains; of others as they were."""

    def told(message: Warning | str, category: type[Warning], filename: str, *rest: Any, **more: Any) -> str:
        if category is UserWarning and Path(filename).is_relative_to(Path(__file__).parent):
            return "t2vgan: warning: " + " ".join(str(message).split()) + "\n"
        return otherwise(message, category, filename, *rest, **more)

    return told
