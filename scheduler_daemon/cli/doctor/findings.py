"""What a check finds, and the patient that all of them look at."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from ...config import Config
from ...errors import SchedulerError
from ...lib.words import redact
from ...model import Schedule
from ...store import SeenSchedule, Store

OK, WARNING, PROBLEM = "OK", "WARNING", "PROBLEM"
#: Schedules that are looked at one by one; a larger table is looked at in its first part.
MOST = 10_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: how it is, what was looked at, what to do."""

    #: OK, WARNING or PROBLEM.
    level: str
    #: What was looked at ("database", "mail server").
    check: str
    #: What was found, as a sentence without its full stop.
    text: str
    #: What to do; empty where nothing is to be done.
    hint: str = ""
    #: Stable code of a problem, where there is one.
    code: str = ""


@dataclass(slots=True)
class Patient:
    """What could be opened; each check takes what it needs and tells nothing of what is missing."""

    #: The configuration; None where it cannot be read.
    config: Config | None = None
    #: The database; None where it cannot be opened.
    store: Store | None = None
    #: Whether the network may be used.
    network: bool = True
    findings: list[Finding] = field(default_factory=list)
    _rows: list[SeenSchedule] | None = None

    def rows(self) -> list[SeenSchedule]:
        """Return the schedules of our types (up to `MOST`), read once; none without a database."""
        if self._rows is None:
            self._rows = self.store.schedules.all(limit=MOST) if self.store is not None else []
        return self._rows

    def active(self) -> list[Schedule]:
        """Return those that can be read and are switched on."""
        return [item.schedule for item in self.rows() if item.schedule is not None and item.schedule.active]


Check = Callable[[Patient], Iterable[Finding]]


def examine(patient: Patient, checks: Iterable[Check], tell: Callable[[Finding], None]) -> None:
    """Run each check and tell what it finds as it comes; a check that breaks is a finding, and the others go on."""
    for check in checks:
        for finding in _guarded(check, patient):
            patient.findings.append(finding)
            tell(finding)


def _guarded(check: Check, patient: Patient) -> Iterator[Finding]:
    name = check.__name__.removeprefix("check_").replace("_", " ")
    try:
        yield from check(patient)
    except SchedulerError as error:
        yield problem(name, error)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        hint = "Check its owner and mode, or run this as the daemon's user"
        yield Finding(PROBLEM, name, f"{place}{error.strerror or error}", hint)
    except Exception as error:  # the doctor is for broken things: one check that breaks must not hide the others
        text = redact(f"this check broke: {type(error).__name__}: {error}")
        yield Finding(PROBLEM, name, text, "Report it with this line", "internal")


def problem(check: str, error: SchedulerError) -> Finding:
    """Return the finding for an error of ours."""
    return Finding(PROBLEM, check, error.message.rstrip("."), error.hint.rstrip("."), error.code)
