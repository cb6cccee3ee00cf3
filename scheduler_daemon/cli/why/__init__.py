"""Why a report ran, did not run, or will not run: one sentence for each case, and what to do."""

from .ahead import ahead
from .behind import behind
from .facts import Facts, Said, gather

__all__ = ["Facts", "Said", "ahead", "behind", "gather"]
