"""Which report of a shop goes first: its own priority, else what the operator's rules say of its kind. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from .model import Schedule

#: The priority of a report of which nothing is said; smaller goes first within its shop.
ORDINARY = 100


@dataclass(frozen=True, slots=True)
class Rules:
    """The operator's rules (`[priority]`)."""

    #: Priority by our name of the report type.
    types: Mapping[str, int] = field(default_factory=dict)
    #: From this number of recipients on a report gets *many_priority*; 0 is never.
    many: int = 0
    #: The priority of a report with many recipients.
    many_priority: int = 50


def read_ranks(text: str) -> dict[str, int]:
    """Return the priorities that ``orders=50, sales-by-product=150`` gives; raise ValueError naming the part."""
    ranks = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = part.partition("=")
        if not name.strip() or not number.strip().lstrip("-").isdigit():
            raise ValueError(f"{part!r} is no priority; write a report type and a number, like orders=50")
        ranks[name.strip()] = int(number)
    return ranks


def priority_of(schedule: Schedule, rules: Rules) -> int:
    """Return the priority of the schedule's runs: its own where it has one, else the smallest that a rule gives."""
    if schedule.priority != ORDINARY:
        return schedule.priority
    given = [rules.types[schedule.report.type]] if schedule.report.type in rules.types else []
    if rules.many and len(schedule.recipients) >= rules.many:
        given.append(rules.many_priority)
    return min(given, default=ORDINARY)
