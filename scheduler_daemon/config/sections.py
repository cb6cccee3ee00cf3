"""Every option, described once: this feeds reading, checking, the example file and the README's table."""

import shlex
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ..channels.address import read_sender
from ..channels.email import Options as EmailSection
from ..channels.folder import Options as FolderSection
from ..lib.options import Length, SecretText, Size
from ..priority import read_ranks
from ..when.rule_parts import read_cron

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class Section(BaseModel):
    """A section of the configuration; unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


class Daemon(Section):
    """`[daemon]`: the loop."""

    check_every: str = Field("5m", description="How often to check: a length like 5m, or five-field cron text.")
    timezone: str = Field("", description="Zone in which cron text of check_every is read; empty is the host's.")
    wake: Literal["due", "check"] = Field("due", description="Start reports at their moment, or only at checks.")
    start_delay: Length = Field(timedelta(seconds=5), description="How long after the start the first check is made.")
    peek: Length = Field(timedelta(seconds=1), description="How often to look for changes between checks.")
    workers: int = Field(8, ge=1, le=256, description="How many shops are worked on at the same time.")
    drain: Length = Field(timedelta(seconds=20), description="How long running reports may take to finish at a stop.")
    lease: Length = Field(timedelta(seconds=60), description="How long a shop stays ours without a heartbeat.")
    beat: Length = Field(timedelta(seconds=15), description="How often a lease is extended.")
    max_per_claim: int = Field(20, ge=1, description="Reports of one shop after which waiting shops get their turn.")
    deadline: Length = Field(timedelta(minutes=30), description="How long one attempt of a report may take.")

    @field_validator("check_every")
    @classmethod
    def _readable(cls, value: str) -> str:
        from ..errors import UsageError
        from ..lib.words import parse_length

        try:
            length = parse_length(value)
        except ValueError:
            try:
                read_cron(value)
            except UsageError as error:
                raise ValueError(f"{value!r} is neither a length like 5m nor cron text: {error.message}") from None
            return value
        if not timedelta(seconds=1) <= length <= timedelta(days=1):
            raise ValueError(f"{value!r} is not between 1s and 1d")
        return value


class Delivery(Section):
    """`[delivery]`: whether reports leave this machine."""

    mode: Literal["", "hold", "redirect", "live"] = Field(
        "", description="hold, redirect or live; empty is what the database remembers (go-live changes it)."
    )
    redirect_to: str = Field("", description="Where all mail goes in the mode redirect.")
    on_unknown: Literal["hold", "resend"] = Field(
        "hold", description="A mail that may have gone out: hold it for a person, or send it again (perhaps twice)."
    )


class Priority(Section):
    """`[priority]`: which report of a shop goes first."""

    types: str = Field("", description="Priority of report types, like orders=50; smaller first, 100 is ordinary.")
    many: int = Field(0, ge=0, description="From this number of recipients on many_priority counts; 0 is never.")
    many_priority: int = Field(50, description="Priority of a report with many recipients.")

    @field_validator("types")
    @classmethod
    def _readable(cls, value: str) -> str:
        read_ranks(value)
        return value


class Notices(Section):
    """`[notices]`: who is told of trouble."""

    to: str = Field("", description="Mail address that is told of trouble where a schedule has no owner.")
    digest: Length = Field(timedelta(hours=1), description="How often one person is told of trouble that lasts.")
    command: str = Field("", description="Program run for notices too; they stand as JSON on its standard input.")
    command_timeout: Length = Field(timedelta(seconds=30), description="How long the program may take.")
    pause_after: int = Field(
        5, ge=0, description="Permanent failures in a row after which a schedule is paused; 0 is never."
    )

    @field_validator("to")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        if value and read_sender(value)[0]:
            raise ValueError(f"{value!r} has a name; write the address alone")
        return value.strip()

    @field_validator("command")
    @classmethod
    def _can_be_split(cls, value: str) -> str:
        shlex.split(value)
        return value


class Reports(Section):
    """`[reports]`: what holds for reports that say nothing else."""

    week_start: Weekday = Field("monday", description="First day of the week, for periods of weeks.")
    week_start_of: dict[str, Weekday] = Field(default_factory=dict, description="The same for single shops, by domain.")

    @field_validator("week_start_of", mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        """Read the environment's form, ``name.myshopify.com=sunday, …``; a table of the file stays as it is."""
        if not isinstance(value, str):
            return value
        pairs = [part.partition("=") for part in value.split(",") if part.strip()]
        if missing := [name.strip() for name, equals, _ in pairs if not equals]:
            raise ValueError(f"Write {missing[0]!r} as name.myshopify.com=sunday, several with commas between them")
        return {name.strip(): day.strip() for name, _, day in pairs}

    def first_day(self, shop: str) -> str:
        """Return the first day of the week, by name, of reports of *shop* that have none of their own."""
        return self.week_start_of.get(shop, self.week_start)


class Database(Section):
    """`[database]`: where schedules and the ledger are."""

    url: SecretText | None = Field(None, description="Its URL; DATABASE_URL is taken where this is unset.")


class State(Section):
    """`[state]`: the state file."""

    file: Path | None = Field(None, description="Where the daemon writes its status.")
    max_age: Length = Field(timedelta(minutes=15), description="How old a check may be before status says stale.")


class SpoolSection(Section):
    """`[spool]`: fetched rows and finished files."""

    dir: Path | None = Field(None, description="The folder.")
    keep: Length = Field(timedelta(days=7), description="How long files of finished runs stay.")
    quota: Size = Field(0, description="How much it may hold, like 2GB; the oldest files go first. 0 is no limit.")


class HistorySection(Section):
    """`[history]`: the ledger."""

    keep: Length = Field(timedelta(days=400), description="How long finished runs stay.")
    rows: int = Field(0, ge=0, description="How many finished runs of one schedule stay at most; 0 is no limit.")


class Shopify(Section):
    """`[shopify]`: the Admin API."""

    api_version: str = Field("2026-10", pattern=r"^\d{4}-\d{2}$|^unstable$", description="Version of the Admin API.")
    base_url: str = Field("https://{shop}", description="Where a shop's API is; {shop} becomes its domain.")
    timeout: Length = Field(timedelta(seconds=60), description="The longest time for one request, reading included.")
    share: float = Field(1.0, gt=0, le=1, description="The share of the rate limit that reports may use.")
    client_id: str = Field("", description="The app's client id, for tokens that are renewed.")
    client_secret: SecretText | None = Field(None, description="The app's client secret.")
    proxy: str = Field("", description="HTTP proxy for the API.")
    ca_file: str = Field("", description="File with the certificates to trust instead of the system's.")

    @field_validator("base_url")
    @classmethod
    def _has_shop(cls, value: str) -> str:
        if "{shop}" not in value:
            raise ValueError(f"{value!r} does not contain {{shop}}")
        return value


class Retry(Section):
    """`[retry]`: how failed attempts are repeated."""

    attempts: int = Field(5, ge=1, le=100, description="Attempts in all, the first included.")
    base: Length = Field(timedelta(seconds=30), description="The longest wait after the first failure.")
    cap: Length = Field(timedelta(minutes=30), description="The longest wait ever.")
    past_next: bool = Field(False, description="Try again even when the schedule's next occurrence comes first.")


class Log(Section):
    """`[log]`: what is written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least level that is written.")
    format: Literal["auto", "console", "json"] = Field("auto", description="Console on a terminal, JSON elsewhere.")


#: What only a start can take: it is held open, or other threads count on it.
FIXED = frozenset(
    {
        *("database", "state", "spool", "types"),
        *("daemon.workers", "daemon.lease", "daemon.beat", "daemon.start_delay"),
    }
)


def _take_keys(section: str, mine: Section, theirs: Section, changed: list[str], fixed: list[str]) -> None:
    for key in type(mine).model_fields:
        path, value = f"{section}.{key}", getattr(theirs, key)
        if getattr(mine, key) == value:
            continue
        if path in FIXED:
            fixed.append(path)
        else:
            setattr(mine, key, value)
            changed.append(path)


class Config(Section):
    """The whole configuration."""

    daemon: Daemon = Field(default_factory=Daemon)
    delivery: Delivery = Field(default_factory=Delivery)
    priority: Priority = Field(default_factory=Priority)
    notices: Notices = Field(default_factory=Notices)
    reports: Reports = Field(default_factory=Reports)
    types: dict[str, str] = Field(
        default_factory=dict, description="The app's report types, each mapped to one of ours."
    )
    database: Database = Field(default_factory=Database)
    state: State = Field(default_factory=State)
    spool: SpoolSection = Field(default_factory=SpoolSection)
    history: HistorySection = Field(default_factory=HistorySection)
    shopify: Shopify = Field(default_factory=Shopify)
    retry: Retry = Field(default_factory=Retry)
    email: EmailSection | None = None
    folder: FolderSection | None = None
    log: Log = Field(default_factory=Log)

    #: The file it was read from, None where there was none.
    source: Path | None = Field(None, exclude=True)
    #: Where each value came from, by key path.
    origin: dict[str, str] = Field(default_factory=dict, exclude=True)

    def take(self, fresh: "Config") -> tuple[list[str], list[str]]:
        """
        Take the values of *fresh* in place, so that every part sees them; the `FIXED` ones stay.

        Return the paths of the keys that changed, and of those that would have needed a restart.
        """
        changed: list[str] = []
        fixed: list[str] = []
        for section in type(self).model_fields:
            mine, theirs = getattr(self, section), getattr(fresh, section)
            if section in ("source", "origin") or mine == theirs:
                continue
            if section in FIXED:
                fixed.append(section)
            elif section == "daemon":
                _take_keys(section, mine, theirs, changed, fixed)
            else:
                setattr(self, section, theirs)
                changed.append(section)
        self.origin = fresh.origin
        return changed, fixed

    @property
    def state_file(self) -> Path:
        """Where the state file is."""
        assert self.state.file is not None
        return self.state.file

    @property
    def spool_dir(self) -> Path:
        """Where the spool is."""
        assert self.spool.dir is not None
        return self.spool.dir
