"""Telling owners: the first failure at once, what lasts in a digest, the recovery where the failure was told."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ..background import Background
from ..channels.email import Email
from ..channels.summary import redirected
from ..config import Config
from ..errors import DeliveryError, StoreError
from ..lib.clock import monotonic
from ..logs import say
from ..model import Notice
from ..store import Store
from ..store.notices import Waiting
from .command import run_command
from .text import body, subject

#: One person gets at most one mail in this time, even of what is told at once: an outage fails many reports.
GATHER = timedelta(minutes=5)
#: What could not be told for so long is given up.
GIVE_UP = timedelta(days=3)
#: Seconds between two looks at notices that wait.
LOOK_EVERY = 30.0
#: The longest wait after a try that failed.
LONGEST = timedelta(hours=1)


#: The setting that says until when nobody is told.
MUTED = "notices_muted_until"


@dataclass(slots=True)
class Notifier:
    """Sends what waits in the outbox of notices; any number of processes may do so at once."""

    config: Config
    store: Store
    #: The delivery mode: nothing leaves in hold, all mail goes to `redirect_to` in redirect.
    mode: str
    #: Looks from time to time, and when something happened: a mail server that hangs must keep nobody else waiting.
    thread: Background = field(init=False)
    _trouble: str = ""

    def __post_init__(self) -> None:
        self.thread = Background("notices", self._look, self.store.close, LOOK_EVERY)

    def _look(self) -> None:
        try:
            self.tell_due()
            self._trouble = ""
        except StoreError as error:  # they wait in the outbox; told once
            if error.message != self._trouble:
                say("check_failed", "warning", error=error.message, code=error.code)
            self._trouble = error.message
            self.store.close()

    def tell_due(self) -> int:
        """Tell everybody what is to be told now; return the number of notices told. Raise StoreError."""
        if self.mode == "hold":
            return 0
        self.store.notices.rescue(LONGEST)
        told, muted = 0, muted_until(self.store)
        for group in self.store.notices.waiting():
            if group.now >= due_at(group, self.config.notices.digest) and not (muted and group.now < muted):
                told += self._tell(group)
        return told

    def _tell(self, group: Waiting) -> int:
        notices = self.store.notices.take(group)
        if not notices:
            return 0  # another process was faster
        ids, started = [item.id for item in notices], monotonic()
        address = self._address(group)
        try:
            self.send(group.channel, address, notices, self._meant_for(group, address))
        except DeliveryError as error:
            self._failed(notices, group, error)
            return 0
        except BaseException:
            self.store.notices.put_back(ids, LONGEST)
            raise
        self.store.notices.told(ids)
        took = round(monotonic() - started, 2)
        say("notices_told", recipient=address or "the command", notices=len(ids), seconds=took)
        return len(ids)

    def _address(self, group: Waiting) -> str:
        if group.channel != "email":
            return ""
        if self.mode == "redirect":
            return self.config.delivery.redirect_to
        return group.recipient or self.config.notices.to

    def _meant_for(self, group: Waiting, address: str) -> str:
        meant = group.recipient or self.config.notices.to
        return meant if group.channel == "email" and self.mode == "redirect" and meant != address else ""

    def send(self, channel: str, address: str, notices: Sequence[Notice], meant_for: str = "") -> None:
        """
        Tell *notices* now, by mail to *address* or to the command; raise DeliveryError.

        *meant_for* is to whom a redirected mail would have gone.
        """
        settings = self.config.notices
        if channel == "command":
            run_command(settings.command, notices, settings.command_timeout.total_seconds())
            return
        if self.config.email is None or not address:
            missing = "[email] has no settings" if self.config.email is None else "notices.to is unset"
            raise DeliveryError(f"Nobody can be told: {missing}.", code="notices_unset")
        mail = Email(self.config.email)
        try:
            key = f"notice:{notices[0].id}:{len(notices)}"
            text = body(notices, settings.digest)
            if meant_for:
                text = f"{text}\n{redirected([meant_for])}\n"
            mail.tell(subject(notices), text, address, key, notices[-1].created_at)
        finally:
            mail.close()

    def _failed(self, notices: Sequence[Notice], group: Waiting, error: DeliveryError) -> None:
        old = [item.id for item in notices if group.now - item.created_at > GIVE_UP]
        again = [item.id for item in notices if group.now - item.created_at <= GIVE_UP]
        tries = max(item.attempts for item in notices)
        self.store.notices.give_up(old)
        self.store.notices.put_back(again, min(LONGEST, timedelta(minutes=1) * 2 ** min(tries - 1, 10)))
        if error.code != "notices_unset":  # which `status` says all the time
            told = {"recipient": group.recipient, "notices": len(notices)}
            say("notices_failed", "warning", **told, error=error.message, code=error.code)


def muted_until(store: Store) -> datetime | None:
    """Return until when nobody is told, UTC, perhaps a moment that is past; None where nobody muted anything."""
    text = store.notebook.setting(MUTED)
    return datetime.fromisoformat(text) if text else None


def due_at(group: Waiting, digest: timedelta) -> datetime:
    """Return when a recipient is to be told what waits, UTC: at once where he was told nothing of late."""
    if group.last_told_at is None:
        return group.since
    return group.last_told_at + (min(GATHER, digest) if group.urgent else digest)
