"""What people write that has two meanings, or one that no rule has: refused with the reason, and with what to write."""

import re
from itertools import pairwise

from ..errors import UsageError
from ..lib.zones import find_zone
from .claims import NUMBERS
from .habits import CLOCK, FROM_LAST, ORDINALS
from .rule_parts import WEEKDAY, WORKING_DAY, bad
from .rule_text import DAYS, WORKDAYS
from .spoken_days import DAY_NAME, read_days

#: What has two meanings, or none here, and what to write instead.
UNCLEAR: tuple[tuple[str, str], ...] = (
    (
        r"\bbi-?monthly\b",
        'is twice a month or every 2 months; write "1st and 15th at 9:00" or "every 2 months 9:00"',
    ),
    (r"\bbi-?annual(?:ly)?\b", 'is twice a year or every 2 years; write "every 6 months on day 1 at 9:00"'),
    (r"\bsemi-?monthly\b", 'does not say on which days; write "1st and 15th at 9:00"'),
    (
        r"^(?:once |on )?(?:today|tomorrow|tonight|next |now$|in \d+ )",
        'is no day of the calendar; write it like "once 2026-12-24 08:00"',
    ),
    (r"\b\d{1,2}[./]\d{1,2}[./]\d{2,4}\b", "has a day that can be read in two ways; write it as 2026-12-24"),
    (
        rf"\b(?:{FROM_LAST}) last (?!day\b)",
        "counts from the end of the month, as rules do for days alone; "
        'write "second last day 9:00" or "last friday 9:00"',
    ),
    (
        r"\bdays? before\b",
        "counts back from a day, as rules do from the end of a month, quarter or year alone, by 1 to 9 days; "
        'write it like "3 days before the end of the month at 9:00"',
    ),
    (
        r"\bafter\b",
        'counts on from another day, which no rule does; write the day itself, like "2nd at 9:00"',
    ),
    (
        rf"\b(?:first|last) (?:\d{{1,2}}|{'|'.join(NUMBERS)}) days\b",
        'is several days; write each, like "1st, 2nd and 3rd at 9:00"',
    ),
    (r"(?:^|:|;)freq=", 'is an RRULE of a calendar; write it in words, like "every 2 weeks on monday at 9:00"'),
    (r"^@reboot\b", "is no time; a report at the start of something is: scheduler reports run REPORT"),
    (r"^cron ?\(", "is cron text of AWS, with a year and Sunday as 1; write five fields, without the brackets"),
    (r"^(?:cron_tz|tz)=", "names its zone; give that with --zone, and the five fields alone"),
    (r"^h(?:\(.*\))? [\d*]", "has a field that a program would choose; write a minute, and spread runs with --jitter"),
    (r"\b\d+ seconds?\b|^(?:every |each )?second$", 'counts seconds; the least is "every minute"'),
    (r"^(?:every |each )?\d+ years?\b", 'is more than a year; write "once 2028-02-29 08:00" for each of its days'),
    (
        r"\d{4}-\d\d-\d\dt\d\d:\d\d.*(?:z|[+-]\d\d:?\d\d)$",
        "names an offset; write the wall time, and the zone with --zone",
    ),
    (r" \d{1,2}\.[0-5]\d$", "has a time of day with a point; write it as 8:30"),
    (r"\d:\d\d:\d\d", "has seconds; reports start at whole minutes"),
)
SPAN_OF_HOURS = re.compile(
    rf"(?:hourly|(?:every |each )?(?:(\d+) )?(hour|minute)s?) (?:from |between )?({CLOCK}|\d{{1,2}})"
    rf"(?: ?- ?| to | and | until )({CLOCK}|\d{{1,2}})(?: on)?(?: (.+))?"
)
EVERY_SO_OFTEN = r"(?:hourly|(?:every |each )?(?:\d+ )?(?:hour|minute)s?)"
#: "hourly on weekdays from 9 to 17", with the days before the hours.
OFTEN_ON = re.compile(rf"({EVERY_SO_OFTEN}) on (.+?) ((?:from|between) .+)")
#: "every 2 hours on weekdays".
OFTEN = re.compile(rf"(?:hourly|(?:every |each )?(?:(\d+) )?(hour|minute)s?) on ((?:(?:{DAY_NAME}|weekday|weekend).*))")


def refuse_unclear(text: str, words: str) -> None:
    """Raise UsageError for what has two meanings, or one that no rule has; *words* are those of `plainer`."""
    for pattern, why in UNCLEAR:
        if re.search(pattern, words):
            raise bad(f"{text!r} {why}.")
    nth = re.fullmatch(rf"(?:every|each) ({'|'.join(ORDINALS)}) ({DAY_NAME})s?( (?!of|in).*)", words)
    if nth:
        day, tail = DAYS[WEEKDAY[nth[2]]].lower(), nth[3].strip()
        both = f'{ORDINALS[nth[1]]} weeks on {day} {tail}" or "{nth[1]} {day} of the month {tail}'
        raise bad(f"{text!r} may be of weeks or of a month.", f"every {both}")
    nth = re.fullmatch(rf"(?:every|each) ({'|'.join(ORDINALS)}) {WORKING_DAY}s?( (?!of|in).*)", words)
    if nth:
        both = f"{nth[1]} working day of the month {nth[2].strip()}"
        raise bad(f"{text!r} may be of each month, or each so many working days, which no rule has.", both)
    often = OFTEN_ON.fullmatch(words)
    hours = SPAN_OF_HOURS.fullmatch(f"{often[1]} {often[3]} on {often[2]}" if often else words)
    if hours:
        raise bad(f"{text!r} has a span of hours, which is written as cron text.", _cron_of(text, hours))
    often = OFTEN.fullmatch(words)
    if often:
        raise bad(f"{text!r} is every so often on some days, which is written as cron text.", _often_on(text, often))
    named = [found.span() for found in re.finditer(rf"\b(?:{DAY_NAME})s?\b", words)]
    for (_, end), (begin, _) in pairwise(named):
        if re.search(rf"{CLOCK}|at \d", words[end:begin]) and re.search(rf"{CLOCK}|at \d", words[begin:]):
            raise bad(f"{text!r} has times of its own for several days; a rule has the same on all its days.")
    _refuse_zone(text, words)


def _cron_of(text: str, found: re.Match[str]) -> str:
    """Return the cron text of "every 15 minutes from 9:00 to 17:00 on weekdays"; empty where none is plain."""
    first, last = (re.fullmatch(r"(\d{1,2})(?::00)?", found[number]) for number in (3, 4))
    every, unit = int(found[1] or 1), found[2] or "hour"
    if first is None or last is None or not int(first[1]) < int(last[1]) < 24 or not 0 < every < 60:
        return ""
    try:
        days = read_days(text, found[5]) if found[5] else tuple(range(7))
    except UsageError:
        return ""
    step = f"/{every}" if every > 1 else ""
    weekday = "*" if len(days) == 7 else "1-5" if days == WORKDAYS else ",".join(map(str, days))
    if unit == "minute":  # up to the last hour, and not into it
        return f"*{step} {first[1]}-{int(last[1]) - 1} * * {weekday}"
    return f"0 {first[1]}-{last[1]}{step} * * {weekday}"


def _often_on(text: str, found: re.Match[str]) -> str:
    """Return the cron text of "every 2 hours on weekdays"; empty where none is plain."""
    every, unit = int(found[1] or 1), found[2] or "hour"
    try:
        days = read_days(text, found[3])
    except UsageError:
        return ""
    if not 0 < every < (24 if unit == "hour" else 60):
        return ""
    step = f"*/{every}" if every > 1 else "*"
    weekday = "1-5" if days == WORKDAYS else ",".join(map(str, days))
    return f"0 {step} * * {weekday}" if unit == "hour" else f"{step} * * * {weekday}"


def _refuse_zone(text: str, words: str) -> None:
    last = text.split()[-1]
    if not re.search(rf"{CLOCK} {re.escape(last.lower())}$", words) or not re.fullmatch(r"[A-Za-z][\w/+-]+", last):
        return
    try:
        find_zone(last)
    except KeyError:
        if "/" not in last:
            return
    raise bad(f"{text!r} names a zone; leave it out, and give it as: --zone {last}")
