"""Checks that ask other machines: the mail server, and Shopify for each shop, in parallel and within a bound."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import timedelta

from ...access import ShopAccess
from ...channels.email import connect
from ...config import Config
from ...errors import DeliveryError, RunError, SchedulerError, SourceError
from ...lib.clock import monotonic, utc_now
from ...lib.words import plural
from ...model import Report, Schedule, Shop
from ...shopify.check import check_shop
from ...store import Store
from ..shop_access import lacking_scopes
from .findings import OK, PROBLEM, WARNING, Finding, Patient, problem

#: Shops asked at the same time, seconds for one answer, and seconds for all of them.
AT_ONCE, FOR_ONE, FOR_ALL = 8, 10.0, 60.0
#: Shops that are well are named one by one up to this many, else counted.
NAMED = 5


def check_mail_server(patient: Patient) -> Iterator[Finding]:
    """Connect and sign in; no mail is sent."""
    config = patient.config
    if config is None:
        return
    mails = sum(any(to.channel == "email" for to in item.recipients) for item in patient.active())
    options = config.email
    if options is None:
        if mails:
            told = f"{plural(mails, 'report')} to be sent by mail, and there is no [email]"
            yield Finding(PROBLEM, "mail server", told, "scheduler config example", "channel_not_configured")
        elif config.folder is None:
            told = "there is neither [email] nor [folder]: no report can leave"
            yield Finding(WARNING, "mail server", told, "scheduler config example", "channel_not_configured")
        return
    if not patient.network:
        return
    seconds = min(options.timeout, timedelta(seconds=FOR_ONE))
    try:
        connect(options.model_copy(update={"timeout": seconds})).quit()
    except DeliveryError as error:
        yield problem("mail server", error)
        return
    what = f"signed in as {options.username}" if options.username else "connected, no user name"
    yield Finding(OK, "mail server", f"{options.host}: {what}, {options.security}; from {options.sender}")


def check_tokens(patient: Patient) -> Iterator[Finding]:
    """Ask Shopify with each shop's token who the shop is and what the token may do."""
    store, config = patient.store, patient.config
    if store is None or config is None:
        return
    needs = _by_shop(patient.active())
    shops = store.shops.all()
    sessions = {shop.domain for shop in shops if store.sessions.find(shop.domain) is not None}
    for domain in sorted(set(needs) - sessions):
        told = f"{domain} has {plural(len(needs[domain]), 'active report')} and no offline session"
        hint = f"Open the app in the shop once, or run: scheduler shops add {domain}"
        yield Finding(PROBLEM, "token", told, hint, "no_session")
    if patient.network and sessions:
        asked = [shop for shop in shops if shop.domain in sessions]
        yield from _told(_ask_all(config, store, asked), asked, needs)


Needs = dict[str, list[Report]]


def _by_shop(active: list[Schedule]) -> Needs:
    """Return the active reports of each shop."""
    needs: Needs = {}
    for item in active:
        needs.setdefault(item.shop, []).append(item.report)
    return needs


Answers = dict[str, Shop | SchedulerError]


def _told(answers: Answers, asked: list[Shop], needs: Needs) -> Iterator[Finding]:
    well: list[Finding] = []
    for shop in asked:
        answer = answers.get(shop.domain)
        if answer is None:
            continue
        if isinstance(answer, SchedulerError):
            found = problem("token", answer)
            quiet = shop.paused_at is not None or shop.domain not in needs
            yield Finding(WARNING, found.check, found.text, found.hint, found.code) if quiet else found
            continue
        lacking = list(_lacking(answer, needs.get(shop.domain, [])))
        yield from lacking
        if not lacking:
            well.append(Finding(OK, "token", f"{shop.domain}: {answer.name}, {answer.zone}, {answer.currency}"))
    yield from well[:NAMED]
    if len(well) > NAMED:
        yield Finding(OK, "token", f"{len(well) - NAMED} more shops are well")
    left = len(asked) - len(answers)
    if left:
        told = f"{plural(left, 'shop')} not asked within {FOR_ALL:.0f} s"
        yield Finding(WARNING, "token", told, "Ask one: scheduler shops check NAME.myshopify.com", "timeout")


def _lacking(shop: Shop, reports: list[Report]) -> Iterator[Finding]:
    """Tell the scopes that the token lacks, as the run itself would judge it: by type and chosen columns."""
    for told in lacking_scopes(shop, reports):
        hint = f"Grant the app the scope, then run: scheduler shops check {shop.domain}"
        yield Finding(PROBLEM, "token", f"{shop.domain}: {told}", hint, "scope_missing")


def _ask_all(config: Config, store: Store, shops: list[Shop]) -> Answers:
    """Ask for each shop, `AT_ONCE` at the same time; what is not answered in time is left out."""
    over = threading.Event()
    pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="doctor")
    hurried = config.shopify.model_copy(update={"timeout": min(config.shopify.timeout, timedelta(seconds=FOR_ONE))})
    access = ShopAccess(config.model_copy(update={"shopify": hurried}), store)
    jobs: dict[Future[Shop], str] = {pool.submit(_ask, access, shop.domain, over): shop.domain for shop in shops}
    done, _ = wait(jobs, timeout=FOR_ALL)
    over.set()
    pool.shutdown(wait=False, cancel_futures=True)
    answers: Answers = {}
    for job in done:
        error = job.exception()
        if error is None:
            answers[jobs[job]] = job.result()
        elif isinstance(error, SchedulerError):
            answers[jobs[job]] = error
        else:
            raise error
    return answers


def _ask(access: ShopAccess, domain: str, over: threading.Event) -> Shop:
    """Return what Shopify says of the shop now; its token is renewed where it must be, as a report would do it."""
    started = monotonic()

    def pause(seconds: float) -> None:
        if over.wait(seconds) or monotonic() - started > FOR_ONE:
            raise SourceError(f"Shopify did not answer for {domain} in time.", code="timeout", retryable=True)

    now = utc_now()
    try:
        api, shop = access.open_shop(domain, now, pause)
        return shop if shop.checked_at == now else check_shop(api, now)
    except RunError as error:
        error.hint = error.hint or f"See: scheduler shops check {domain}"
        raise
    finally:
        access.store.close()
