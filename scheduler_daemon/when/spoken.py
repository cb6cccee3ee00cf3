"""
Recurrences as people write them: ``weekdays at 8am``, ``every 2 weeks on friday at 9``, ``last working day 17:00``.

Whatever `rule_text.sentence` says of a rule is read back as that rule.
"""

import re
from dataclasses import replace
from datetime import date

from ..errors import UsageError
from ..model import Recurrence, RuleKind
from .claims import hold, without_claims
from .habits import CLOCK, plainer, without_days
from .recurrence import check, tidy
from .rule_parts import (
    MONTH,
    ORDINAL_FORMS,
    WORKING_DAY,
    WORKING_FORMS,
    bad,
    read_clock,
    read_cron,
    read_date,
    read_month_day,
    read_on,
)
from .rule_text import QUARTER_ENDS, QUARTERS, is_at_end
from .spoken_cron import IN_MONTHS, MONTH_NAME, read_many, read_months
from .spoken_days import read_days
from .unclear import refuse_unclear

#: Behind "at" a bare hour is a time of day too.
BARE_CLOCK = rf"(?:{CLOCK}|\d{{1,2}})"
AND = r"(?: and| at)* "
TIMES = re.compile(rf"(.+?)(?: at ({BARE_CLOCK}(?:{AND}{BARE_CLOCK})*)| ({CLOCK}(?:{AND}{CLOCK})*))")
HALF = re.compile(r"(\d{1,2})(?::(\d{2}))? ?([ap])m")
EACH = re.compile(r"(?:(-?\d+) )?(minute|hour)s?(?: at :?(\d{1,2})| :(\d{1,2}))?")
HOURLY = re.compile(r"hourly(?: (?:at )?:?(\d{1,2}))?")
NUMBER = r"(\d{1,2})(?:st|nd|rd|th)?"
DATE = rf"\d{{4}}-\d{{2}}-\d{{2}}|\d{{1,2}}(?:st|nd|rd|th)? (?:of )?(?:{MONTH_NAME}) \d{{4}}"
#: "once on 24 dec 2026 at 8", "2026-12-24 08:00".
ONE_OFF = re.compile(rf"(?:once )?(?:on )?({DATE})(?: at|t)? ?({BARE_CLOCK})")
DATES = rf"(?:{DATE})(?:(?: and)? (?:{DATE}))*"
CLAUSE_WORDS = "from|starting|starting on|starting from|until|till|through|except|except on|except for"
CLAUSE = re.compile(rf"(.+?) (?:({CLAUSE_WORDS}) ({DATES}))")
CRON = re.compile(r"(?:.*\(cron (.+)\)|by cron text '(.+)'|cron:? (.+))")
#: How a month's days may be said once the months are known; "and last day" is the 31st, which clamps.
ONE_DAY = r"\d{1,2}(?:st|nd|rd|th)?"
NEXT_DAY = rf"(?: and)?(?: the)? (?:{ONE_DAY}|last(?: day)?)"
CLAMP = r"(?: \(or the month's last day\))?"
MONTH_DAYS = re.compile(rf"(?:on )?(?:the )?(?:days? )?({ONE_DAY}(?:{NEXT_DAY})*){CLAMP}(?: days?)?")
#: "3rd last day", which is one day and not two.
FROM_END = re.compile(r"(?:on )?(?:the )?\d{1,2}(?:st|nd|rd|th) last day")
#: Days that need no month beside them to be known as such: "1st and 15th", "day 15".
NAMED_DAYS = re.compile(
    r"(?:on )?days? .+"
    r"|(?:on )?(?:the )?\d{1,2}(?:st|nd|rd|th)(?:(?: and)?(?: the)? (?:\d{1,2}(?:st|nd|rd|th)|last day))*"
)


def read_words(text: str) -> Recurrence:
    """Return the recurrence that *text* means; raise UsageError with the forms that are understood."""
    words = _plain(text)
    if not words:
        raise bad("The recurrence is empty.")
    cron, clauses = _cron_text(" ".join(text.split()))
    if cron:
        _, bounds = _clauses(_plain(f"cron {clauses}"))
        return check(_bounded(Recurrence(RuleKind.CRON, cron=cron), bounds))
    words, bounds = _clauses(without_days(text, words))
    named = CRON.fullmatch(words)
    if named:
        cron = next(found for found in named.groups() if found)
        rule = Recurrence(RuleKind.CRON, cron=_written(text, cron))
    else:
        words, claims = without_claims(text, words)
        words = plainer(words)
        refuse_unclear(text, words)
        rule = hold(text, _core(text, re.sub(r"^(?:every|each) ", "", words)), claims)
    return check(tidy(_bounded(rule, bounds)))


def read_cron_text(text: str) -> Recurrence:
    """Return the recurrence of five-field cron text; raise UsageError."""
    return check(Recurrence(RuleKind.CRON, cron=" ".join(text.split())))


def _plain(text: str) -> str:
    # "5th, last day" is two days, "5th last day" is one.
    return " ".join(re.sub(r",(?= *(?:the )?last\b)", " and", text.lower()).replace(",", " ").split())


def _cron_text(text: str) -> tuple[str, str]:
    """Return cron text (five fields, of which the first is a minute's) and the clauses behind it; else nothing."""
    found = re.fullmatch(
        rf"([\d*/,\-]+(?! [a-z]+,? )(?: [^ ]+?){{4}})(?:,? ((?:{CLAUSE_WORDS}) .+))?", text, re.IGNORECASE
    )
    return (found[1], found[2] or "") if found else ("", "")


def _written(text: str, lower: str) -> str:
    """Return cron text as it was written: with its commas and capitals."""
    packed = " ".join(text.split())
    place = packed.lower().replace(",", " ").find(lower)
    return packed[place : place + len(lower)]


# From, until, except ------------------------------------------------------------------------------------------------


def _clauses(words: str) -> tuple[str, dict[str, tuple[str, ...]]]:
    """Take "from", "until" and "except" off the end; return what is before them and their days."""
    bounds: dict[str, tuple[str, ...]] = {}
    while found := CLAUSE.fullmatch(words):
        word = found[2].split()[0]
        name = "start" if word in ("from", "starting") else "exclude" if word == "except" else "end"
        bounds[name] = tuple(_date(item) for item in re.findall(DATE, found[3]))
        words = found[1]
    loose = re.search(r" (until|except|starting) (?:on |from |for )?(.+)", words)
    if loose:
        raise bad(f"{loose[2]!r} behind {loose[1]!r} is no day that is understood; write it as 2026-12-24, at the end.")
    return words, bounds


def _date(text: str) -> str:
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return read_date(text)
    day, month, year = re.sub(r"(?<=\d)(st|nd|rd|th)| of", "", text).split()
    try:
        return date(int(year), MONTH[month], int(day)).isoformat()
    except ValueError:
        raise bad(f"There is no {text!r}.") from None


def _bounded(rule: Recurrence, bounds: dict[str, tuple[str, ...]]) -> Recurrence:
    for name in ("start", "end"):
        if len(bounds.get(name, ())) > 1:
            raise bad(f"It has several days to {name}: {', '.join(bounds[name])}.")
    start, end = ("".join(bounds.get(name, ())) for name in ("start", "end"))
    return replace(rule, start=start, end=end, exclude=tuple(sorted(set(bounds.get("exclude", ())))))


# What is due, and when ----------------------------------------------------------------------------------------------


def _core(text: str, words: str) -> Recurrence:
    each = EACH.fullmatch(words) or EACH.fullmatch(words.replace("other ", "2 "))
    if each:
        return _each(text, int(each[1] or 1), each[2], each[3] or each[4])
    hourly = HOURLY.fullmatch(words)
    if hourly:
        return Recurrence(RuleKind.HOURLY, minute=int(hourly[1] or 0))
    moment = ONE_OFF.fullmatch(words)
    if moment:
        return Recurrence(RuleKind.ONCE, at=f"{_date(moment[1])}T{_clock(moment[2])}")
    day = re.fullmatch(rf"(?:once )?(?:on )?({DATE})", words)
    if day:
        raise bad(f"{text!r} is a day, and no time of day is said.", f"once {_date(day[1])} 08:00")
    if words.startswith("once "):
        at = re.sub(r"^once (on )?", "", words).replace(" at ", " ").replace(" ", "T").upper()
        return Recurrence(RuleKind.ONCE, at=check(Recurrence(RuleKind.ONCE, at=at)).at)
    found = TIMES.fullmatch(words)
    if not found:
        raise _not_understood(text, words)
    tokens = re.findall(BARE_CLOCK, found[2]) if found[2] else re.findall(CLOCK, found[3])
    first, *others = sorted({_clock(token) for token in tokens})
    return _on_days(text, found[1].strip(), first, tuple(others))


def _not_understood(text: str, words: str) -> UsageError:
    if re.fullmatch(rf"(?:at )?{BARE_CLOCK}(?:{AND}{BARE_CLOCK})*", words):
        return bad(f"{text!r} names no day.", f"daily at {words.removeprefix('at ')}")
    if re.fullmatch(r"[\d*/-]+(?: [\d*?/l#-]+| [a-z]{3}(?:#\d|-[a-z]{3})?){2,}", words):
        read_cron(text)  # which says how many fields it has, and which text is the nearest
    timed = "" if re.search(CLOCK, words) else _with_time(text)
    if timed or not re.search("[0-9]", words):
        return bad(f"{text!r} is not understood: it names no time of day.", timed)
    return bad(f"{text!r} is not understood.")


def _with_time(text: str) -> str:
    """Return *text*, which has no time of day, with one that makes it a schedule; empty where none does."""
    for clock in ("8:00", "17:00", "22:00"):
        try:
            read_words(f"{text} at {clock}")
        except UsageError:
            continue
        return f"{text} at {clock}"
    return ""


def _clock(text: str) -> str:
    """Return a time of day as "HH:MM"; 12 am is midnight, 12 pm noon."""
    if text in ("noon", "midnight"):
        return "12:00" if text == "noon" else "00:00"
    half = HALF.fullmatch(text)
    if half is None:
        return read_clock(text if ":" in text else f"{text}:00")
    hour = int(half[1])
    if not 1 <= hour <= 12:
        raise bad(f"{text!r} is not a time of day; with am and pm the hours go from 1 to 12.")
    return read_clock(f"{hour % 12 + (12 if half[3] == 'p' else 0)}:{half[2] or '00'}")


def _each(text: str, number: int, unit: str, minute: str | None) -> Recurrence:
    if unit == "hour":
        return Recurrence(RuleKind.HOURLY, every=number, minute=int(minute or 0))
    if minute is not None:
        raise bad(f"{text!r} is not understood: every few minutes there is no minute to choose.")
    return Recurrence(RuleKind.MINUTES, every=number)


def _on_days(text: str, what: str, clock: str, also: tuple[str, ...]) -> Recurrence:
    """Return the rule of the days that *what* names, at the times of day."""
    what = re.sub(r"^(?:every |each )", "", what)
    if what in ("daily", "day"):
        return Recurrence(RuleKind.DAILY, time=clock, also=also)
    by_cron = read_many(text, what, (clock, *also))
    if by_cron is not None:
        return by_cron
    many = re.fullmatch(r"(\d+|other) (day|week|month)s?(?: on)?(?: (.+))?", what)
    number = 1 if many is None else 2 if many[1] == "other" else int(many[1])
    if many and many[2] == "day" and not many[3]:
        return Recurrence(RuleKind.DAILY, time=clock, also=also, every=number)
    monthly = _monthly(what if many is None or many[2] != "month" else f"month {many[3] or ''}".strip(), number)
    if monthly is not None:
        on, numbers, months, every = monthly
        made = Recurrence(RuleKind.MONTHLY, time=clock, also=also, on=on, months=months, every=every)
        return replace(made, day=numbers[0], later_days=numbers[1:])
    rest = many[3] or "" if many and many[2] == "week" else what
    if what.startswith("other ") and many is None:
        rest, number = what.removeprefix("other "), 2
    days = read_days(text, rest)
    if number == 1 and len(days) == 7:
        return Recurrence(RuleKind.DAILY, time=clock, also=also)
    return Recurrence(RuleKind.WEEKLY, time=clock, also=also, days=days, every=number)


# Months -------------------------------------------------------------------------------------------------------------

Monthly = tuple[str, tuple[int, ...], tuple[int, ...], int]
#: Which day of a month ("last friday", or empty) and the numbers of its days.
MonthDay = tuple[str, tuple[int, ...]]
FIRST = (1,)


def _monthly(what: str, every: int) -> Monthly | None:
    """Return (on, days, months, every) where *what* names days of months; None where it names none."""
    yearly = _day_of_year(re.sub(r"^(?:yearly|annually|year)(?: on)?(?: the)? ", "", what))
    if yearly is not None:
        return (*yearly, 1)
    found = re.fullmatch(
        r"(monthly|month|quarterly|quarter|yearly|annually|year)(?: on)?(?: (.+))?", what
    ) or re.fullmatch(r"(the)? ?(.+?) (?:of|in) (?:the|every|each) (month|quarter|year)", what)
    if found is None:
        names = re.fullmatch(rf"((?:(?:{MONTH_NAME}|and) ?)+?)(?: on)? (.+)", what)
        day = _month_day(names[2]) if names else None
        if names and day is not None:
            return (*day, read_months(names[1]), 1)
        alone = _month_day(what, named=True)  # "first monday 9:00", "last working day 17:00"
        return None if alone is None else (*alone, (), every)
    unit = found[1] if found.lastindex != 3 else found[3]
    which: MonthDay | None = ("", FIRST) if found[2] is None else _month_day(found[2])
    if which is None:
        return None
    last = is_at_end(which[0])
    if unit in ("quarterly", "quarter"):
        return (*which, QUARTER_ENDS if last else QUARTERS, 1)
    return (*which, (12,) if last else FIRST, 1) if unit in ("yearly", "annually", "year") else (*which, (), every)


def _month_day(words: str, *, named: bool = False) -> MonthDay | None:
    """Return "day 15", "1st and 15th", "last friday" read; with *named* only those that name what they are."""
    found = None if FROM_END.fullmatch(words) else MONTH_DAYS.fullmatch(words)
    if found and (not named or NAMED_DAYS.fullmatch(words)):
        return "", _numbers(found[1])
    plain = re.sub(r"^(?:on )?(?:the )?", "", words)
    if plain == "last" and not named:
        return "last day", FIRST
    first, _, rest = plain.partition(" ")
    if (first in ORDINAL_FORMS and rest) or (first in WORKING_FORMS and re.fullmatch(rf"{WORKING_DAY}|last day", rest)):
        if first in ("1st", "first") and rest == "day":
            return "", FIRST
        return read_on(plain), FIRST
    return None


def _numbers(words: str) -> tuple[int, ...]:
    """Return the days of "1st 10th and last day", sorted."""
    found = re.findall(r"\d+|last", words)
    return tuple(sorted({31 if item == "last" else read_month_day(int(item)) for item in found}))


def _day_of_year(words: str) -> tuple[str, tuple[int, ...], tuple[int, ...]] | None:
    """Return (on, days, months) for "24 december", "dec 24th", "the last day of february and august"."""
    found = re.fullmatch(rf"(?:the )?({ONE_DAY}(?:(?: and)?(?: the)? {ONE_DAY})*) (?:of )?({MONTH_NAME}){CLAMP}", words)
    if found:
        return "", _numbers(found[1]), (MONTH[found[2]],)
    found = re.fullmatch(rf"({MONTH_NAME}) (?:the )?{NUMBER}", words)
    if found:
        return "", _numbers(found[2]), (MONTH[found[1]],)
    found = IN_MONTHS.fullmatch(words)
    day = _month_day(found[1]) if found else None
    return None if found is None or day is None else (*day, read_months(found[2]))
