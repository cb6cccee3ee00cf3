"""Which start of the machine this is."""

from pathlib import Path


def boot_id() -> str:
    """Return the kernel's boot id, 32 hex digits; empty where a sandbox hides it."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip().replace("-", "")
    except OSError:
        return ""
