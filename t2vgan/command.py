"""What every command line does with a mistake: one line on stderr and exit status 2, never a traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable


def run_command(main: Callable[[], None]) -> None:
    """Runs `main`; a ValueError or a missing file is the user's to mend and is said in one line.

    `T2VGAN_TRACEBACK=1` shows where it came from, for people who work on t2vgan itself.
    """
    try:
        main()
    except KeyboardInterrupt:
        print("\nt2vgan: stopped", file=sys.stderr)
        raise SystemExit(130) from None
    except (ValueError, OSError) as mistake:
        if os.environ.get("T2VGAN_TRACEBACK"):
            raise
        print("t2vgan: error: " + " ".join(str(mistake).split()), file=sys.stderr)
        raise SystemExit(2) from None
