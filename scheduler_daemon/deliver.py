"""From a finished file to its recipients, one row each; what may have gone out is never sent again in silence."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256

from . import redirect
from .channels import IDEMPOTENT, Channel, Parcel, open_channel
from .condition import is_note
from .config import Config
from .errors import DeliveryError, LeaseLost, RunError, StoreError, with_hint
from .lib.clock import to_ms, utc_now
from .lib.descriptors import RAISE_LIMIT, is_limit, say_limit
from .lib.disk import reason
from .lib.files import safe_name
from .lib.ids import new_ulid
from .logs import say, say_defect
from .model import Delivery, DeliveryState, Outcome, Receipt, Recipient, ReportFile, Run
from .retrying import Retries
from .spool import Spool
from .store import Store
from .threads import Hold
from .trail import Trail, Word, read, trail
from .verdict import cancelled, judge

#: What stands in the ledger for a defect of ours.
DEFECT = "A defect of the scheduler; its log has the details."


@dataclass(slots=True)
class Deliverer:
    """Hands files over: all that delivering needs, composed once."""

    config: Config
    store: Store
    spool: Spool
    retries: Retries
    mode: str

    def recipients(self, run: Run) -> tuple[Recipient, ...]:
        """Return to whom the run goes: its recipients, the folder where there are none, `redirect_to` in that mode."""
        return self.to_whom(run.recipients)

    def to_whom(self, asked: tuple[Recipient, ...]) -> tuple[Recipient, ...]:
        """Return to whom a report for *asked* goes; raise RunError `no_recipients`."""
        found = asked
        if not found and self.config.folder is not None:
            found = (Recipient("folder", "folder"),)
        if not found:
            raise RunError(
                "The schedule has nobody to deliver to.",
                code="no_recipients",
                hint="Add one: scheduler reports edit ID --to name@example.com",
            )
        if self.mode == "redirect":
            others = tuple(item for item in found if item.channel != "email")
            mails = (Recipient("email", self.config.delivery.redirect_to),) if len(others) < len(found) else ()
            found = mails + others
        return found

    def publish(self, run: Run, file: ReportFile, hold: Hold, spool_path: str) -> None:
        """Write down the file and, the first time, a `pending` row for each recipient."""
        at = to_ms(utc_now())
        # A mode that changed between two attempts adds nobody. A millisecond apart, so that ids keep the order.
        known = self.store.history.deliveries(run.id) if run.attempt > 1 else []
        wanted = () if known else self.recipients(run)
        rows = [new_delivery(run, to, at + number) for number, to in enumerate(wanted)]
        hold.keep_trying(lambda: self.store.corridor.publish(hold.lease, run, file, spool_path, rows))

    def has_copies(self, run: Run) -> bool:
        """Whether a person asked for *run* to be sent again: then it is sent as it was made, or not at all."""
        return any(row.copy for row in self.store.history.deliveries(run.id))

    def give_up(self, run: Run, hold: Hold, error: RunError) -> Outcome:
        """Send no copy of *run* any more, because of *error*; return what its deliveries then make of it."""
        told = (error.code, error.message)
        hold.keep_trying(lambda: self.store.deliveries.give_up(hold.lease, run.id, told))
        return judge(self.store.history.deliveries(run.id), utc_now())

    def cancel(self, run: Run, hold: Hold, error: RunError) -> Outcome:
        """Send nothing of *run* any more, because a person cancelled it; return how it ends."""
        told = (error.code, error.message)
        hold.keep_trying(lambda: self.store.deliveries.give_up(hold.lease, run.id, told))
        return cancelled(self.store.history.deliveries(run.id), utc_now())

    def deliver(self, run: Run, file: ReportFile, hold: Hold) -> Outcome:
        """
        Send *file* to everyone who has not got it yet and may get it now; return how that ended.

        Raise LeaseLost or Stopped.
        """
        hold.step = "deliver"
        rows = self.store.history.deliveries(run.id)
        channels: dict[str, Channel] = {}
        try:
            for row in rows:
                if row.state is DeliveryState.PENDING and (row.not_before is None or row.not_before <= utc_now()):
                    hold.check()
                    self._deliver_one(run, row, rows, file, hold, channels)
        finally:
            for channel in channels.values():
                channel.close()
        return judge(self.store.history.deliveries(run.id), utc_now())

    def _deliver_one(
        self,
        run: Run,
        row: Delivery,
        rows: Sequence[Delivery],
        file: ReportFile,
        hold: Hold,
        channels: dict[str, Channel],
    ) -> None:
        aim = self._aim(row)
        parcel = self._parcel(run, row, rows, file)
        left = self._trail(run, row)
        going = False

        def commit() -> None:
            nonlocal going
            if row.recipient.channel not in IDEMPOTENT:
                with trail_faults():
                    left.begin()
            hold.keep_trying(lambda: self.store.deliveries.begin(hold.lease, row))
            with trail_faults():
                left.going()
            going = True

        try:
            receipt = self._channel(row.recipient.channel, channels).deliver(parcel, aim, row.key, commit)
        except DeliveryError as error:
            self._failed(run, row, error, hold)
        except (LeaseLost, StoreError):
            raise  # of the commit: nothing has gone out
        except Exception as error:  # a defect: nobody knows whether it went out, and the others still get theirs
            self._failed(run, row, unforeseen(run, error, going), hold)
        else:
            if parcel.instead_of is not None:
                receipt = redirect.marked(receipt, aim.address, parcel.instead_of)
            left.taken(receipt)
            self._delivered(row, receipt, hold)
        finally:
            left.close()

    def _parcel(self, run: Run, row: Delivery, rows: Sequence[Delivery], file: ReportFile) -> Parcel:
        same = (item.recipient for item in rows if item.recipient.channel == row.recipient.channel and item.copy == 0)
        condition = run.report.condition if run.report is not None else {}
        bare = is_note(condition, file.about.row_count)
        others = None
        if self.mode == "redirect" and row.recipient.channel == "email":
            others = redirect.instead_of(run, row, self.config.delivery.redirect_to)
        return Parcel(file, file.about, tuple(same), reply_to=run.owner, bare=bare, instead_of=others)

    def _trail(self, run: Run, row: Delivery) -> Trail:
        return trail(self.spool.root / safe_name(run.id), row.id)

    def recall(self, run: Run, hold: Hold) -> None:
        """
        Put right what became `unknown` because the process that sent it was lost, where its trail is here.

        What the server took is `delivered`, what had not left yet is `pending` again. Raise LeaseLost.
        """
        for row in self.store.history.deliveries(run.id):
            if row.state is not DeliveryState.UNKNOWN:
                continue
            word, receipt = read(self._trail(run, row).path)
            if word is Word.GOING:
                continue
            state = DeliveryState.DELIVERED if word is Word.TAKEN else DeliveryState.PENDING
            hold.keep_trying(partial(self.store.deliveries.recall, hold.lease, row, state, receipt))
            say("delivery_recalled", run=run.id, shop=run.shop, delivery=row.id, state=state.value)

    def _aim(self, row: Delivery) -> Recipient:
        """Return to whom a delivery goes now: a mail written down before the mode was redirect is redirected too."""
        if self.mode == "redirect" and row.recipient.channel == "email":
            return replace(row.recipient, address=self.config.delivery.redirect_to)
        return row.recipient

    def _channel(self, kind: str, channels: dict[str, Channel]) -> Channel:
        if kind not in channels:
            options = getattr(self.config, kind, None)
            if options is None:
                raise DeliveryError(
                    f"The channel {kind} has no settings.",
                    code="channel_not_configured",
                    hint=f"Write the section [{kind}]: scheduler config example",
                )
            channels[kind] = open_channel(kind, options)
        return channels[kind]

    def _delivered(self, row: Delivery, receipt: Receipt, hold: Hold) -> None:
        hold.keep_trying(lambda: self.store.deliveries.end(hold.lease, row, DeliveryState.DELIVERED, receipt=receipt))

    def _failed(self, run: Run, row: Delivery, error: DeliveryError, hold: Hold) -> None:
        if error.ambiguous and self.config.delivery.on_unknown == "hold":
            told = (error.code, with_hint(error))
            hold.keep_trying(lambda: self.store.deliveries.end(hold.lease, row, DeliveryState.UNKNOWN, error=told))
            return
        again, said = self.retries.deliver_again(run, row, error)
        state = DeliveryState.FAILED if again is None else DeliveryState.PENDING
        hold.keep_trying(
            lambda: self.store.deliveries.end(hold.lease, row, state, error=(error.code, said), not_before=again)
        )


@contextmanager
def trail_faults() -> Iterator[None]:
    """Raise DeliveryError where the disk would go on saying of a mail that it has not left."""
    try:
        yield
    except OSError as error:
        message = f"The spool cannot be used: {reason(error)}."
        raise DeliveryError(message, code="folder_unavailable", retryable=True) from error


def unforeseen(run: Run, error: Exception, going: bool) -> DeliveryError:
    """Return what stands in the ledger for what no channel told of: the limit of the process, else a defect of ours."""
    if is_limit(error):
        message = f"The report cannot be sent: {say_limit()}."
        code, hint = "too_many_files", f"{RAISE_LIMIT}."
        return DeliveryError(message, code=code, hint=hint, retryable=True, ambiguous=going)
    say_defect("shop_failed", error, shop=run.shop, run=run.id)
    return DeliveryError(DEFECT, code="internal", ambiguous=going)


def new_delivery(run: Run, recipient: Recipient, at: int, copy: int = 0) -> Delivery:
    """Return the row of a delivery that nobody has tried; its key is made of run, recipient and copy."""
    digest = sha256(f"{recipient.channel}:{recipient.address}".encode()).hexdigest()[:16]
    key = f"{run.id}:{digest}:{copy}"
    return Delivery(new_ulid(at), run.id, recipient, key, DeliveryState.PENDING, copy)
