"""Ending with whoever started us, even where that one is killed and can tell nobody."""

import os
import signal
from contextlib import suppress

#: PR_SET_PDEATHSIG (prctl(2), linux/prctl.h).
DEATH_SIGNAL = 1


def end_with_parent(parent: int) -> None:
    """
    Let the kernel kill this process when the process *parent*, which started it, is gone; at once if it is already.

    Without effect where there is no prctl (it is Linux's own). The kernel means the *thread* that started us, so that
    one has to wait for our end.
    """
    with suppress(ImportError, OSError, AttributeError):
        import ctypes

        if ctypes.CDLL(None).prctl(DEATH_SIGNAL, int(signal.SIGKILL), 0, 0, 0) == 0 and os.getppid() != parent:
            # It died before it was asked for, and no signal comes any more.
            os.kill(os.getpid(), signal.SIGKILL)
