"""`scheduler doctor`: everything around the scheduler, checked in small steps; what is wrong, and what to do."""

from .command import doctor

__all__ = ["doctor"]
