"""
The parts of the README that are made from the code, between ``<!-- name -->`` and ``<!-- /name -->``.

``python -m tests.house.blocks`` writes them, and config.example.toml, anew.
"""

import re
from enum import StrEnum
from pathlib import Path

from scheduler_daemon.config.example import example, markdown_table
from scheduler_daemon.errors import CODES
from scheduler_daemon.model import DeliveryState, NoticeKind, NoticeState, RunStatus, SkipReason

ROOT = Path(__file__).parents[2]
NOUNS = [ROOT / "scheduler_daemon" / "model" / name for name in ("run.py", "notice.py")]


def codes_table() -> str:
    """Return the table of error codes."""
    lines = ["| code | what it means |", "| --- | --- |"]
    return "\n".join([*lines, *(f"| `{code}` | {text} |" for code, text in CODES.items())])


def statuses_table() -> str:
    """Return the table of all statuses, reasons and states, with the sentence that stands above each in the code."""
    source = "".join(path.read_text(encoding="utf-8") for path in NOUNS)
    lines = ["| column | value | meaning |", "| --- | --- | --- |"]
    kinds: tuple[tuple[str, type[StrEnum]], ...] = (
        ("run.status", RunStatus),
        ("run.reason", SkipReason),
        ("delivery.state", DeliveryState),
        ("notice.kind", NoticeKind),
        ("notice.state", NoticeState),
    )
    for column, kind in kinds:
        body = source[source.index(f"class {kind.__name__}(") :]
        for item in kind:
            found = re.search(rf'    #: (.+)\n    {item.name} = "{item.value}"', body)
            assert found, item
            lines.append(f"| `{column}` | `{item.value}` | {found[1]} |")
    return "\n".join(lines)


def blocks() -> dict[str, str]:
    """Return each made part by its name."""
    return {"config": markdown_table(), "codes": codes_table(), "statuses": statuses_table()}


def between(text: str, mark: str) -> str:
    """Return what stands between the marks."""
    found = re.search(f"<!-- {mark} -->\n(.*?)<!-- /{mark} -->", text, re.DOTALL)
    assert found, mark
    return found[1].strip()


def main() -> None:
    """Write them."""
    path = ROOT / "README.md"
    text = path.read_text(encoding="utf-8")
    for mark, made in blocks().items():
        text = re.sub(
            f"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)",
            lambda found, made=made: f"{found[1]}{made}\n{found[2]}",  # type: ignore[misc]
            text,
            flags=re.DOTALL,
        )
    path.write_text(text, encoding="utf-8")
    (ROOT / "config.example.toml").write_text(example(), encoding="utf-8")


if __name__ == "__main__":
    main()
