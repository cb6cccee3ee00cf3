"""
Ways of writing a schedule that other programs have taught people, brought to the forms that `spoken` reads.

Cron's ``@daily``, a calendar's ``Weekly on Monday``, ``9:00 every day``, ``biweekly``, ``every 15m``, ``end of month``.
"""

import re
from itertools import pairwise

from ..errors import UsageError
from ..lib.zones import find_zone
from .rule_parts import WEEKDAY, bad
from .rule_text import DAYS, WORKDAYS
from .spoken_days import DAY_NAME, read_days

CLOCK = r"(?:noon|midnight|\d{1,2}:\d{2}(?: ?[ap]m)?|\d{1,2} ?[ap]m)"
CLOCKS = rf"{CLOCK}(?:(?: and| at)* {CLOCK})*"
MACROS = {
    "@hourly": "hourly :00",
    "@daily": "daily at 00:00",
    "@midnight": "daily at 00:00",
    "@weekly": "sunday at 00:00",
    "@monthly": "monthly on day 1 at 00:00",
    "@yearly": "every year on 1 january at 00:00",
    "@annually": "every year on 1 january at 00:00",
}
NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
ORDINALS = {"second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4}
#: What is written, and what it means; in this order.
HABITS: tuple[tuple[str, str], ...] = (
    (rf"(?<=\b)({DAY_NAME}) ?[/+&] ?(?={DAY_NAME})", r"\1 and "),
    (r" & ", " and "),
    (r"\bonly on\b", "on"),
    (r"^once (?:an?|per|every|each) (?=hour|day|week|month|quarter|year)", "every "),
    (r"^once (?=daily|weekly|monthly|quarterly|yearly)", ""),
    (r"^(?:every |each |on )?(?:the )?first of (?:the|every|each) month\b", "1st of the month"),
    (r"\b([ap])\. ?m\.?(?= |$)", r"\1m"),
    (r"(?<=\d:\d\d):00\b", ""),
    (r"\b(\d{1,2})h(\d{2})\b", r"\1:\2"),
    (r"\bat ([01]?\d|2[0-3])\.([0-5]\d)$", r"at \1:\2"),
    (r"\b(\d{1,2}) o'?clock\b", r"\1:00"),
    (r"^rate ?\((.+)\)$", r"every \1"),
    (r"^((?:every |each )?\d+) ?(?:m|mins?)\b", r"\1 minutes"),
    (r"^((?:every |each )?\d+) ?(?:h|hrs?)\b", r"\1 hours"),
    (r"^(every |each )half(?: an|-)? ?hour$", r"\g<1>30 minutes"),
    (r"^(every |each )quarter(?: of an|-)? ?hour$", r"\g<1>15 minutes"),
    (r"\b(hours?|hourly) on the hour$", r"\1 :00"),
    (r"\b(hours?|hourly)(?: at)? :?(\d{1,2})(?: minutes?| mins?)? past(?: the hour)?$", r"\1 :\2"),
    (r"^(?:bi-?weekly|fortnightly|(?:every |each )?fortnight)\b", "every 2 weeks"),
    (r"^half-?yearly\b", "every 6 months"),
    (r"\(((?:mon|monday)(?: to | ?- ?| through )(?:fri|friday))\)", r"\1"),
    (rf"\b({DAY_NAME})\.\.({DAY_NAME})\b", r"\1-\2"),
    (rf"^((?:{DAY_NAME})\S*) \*-\*-\*(?= )", r"\1"),
    (r"^\*-\*-\*(?= )", "daily"),
    (r"^\*-\*-(\d{1,2})(?= )", r"monthly \1"),
    (
        r"^(?:every |each |on )?(?:the )?(?:end of (?:the )?|(?=month[ -]end))(month|quarter|year)(?:[ -]end)?(?= |$)",
        r"last day of the \1",
    ),
    (r"^(?:every |each )?(?:the )?(?:start|beginning) of (?:the )?(month|quarter|year)(?= |$)", r"first day of the \1"),
    (r"^(?:every morning|mornings)(?= at )", "daily"),
    (rf"^(?:at )?({CLOCKS}) (?:on )?((?:(?!{CLOCK}|at ).)+)$", r"\2 at \1"),
    (r"^at (\d{1,2}(?: and \d{1,2})*) (?:on |(?=every |each ))((?:(?!at ).)+)$", r"\2 at \1"),
    (
        rf"^(.*\b(?:(?:{DAY_NAME}|weekday|workday|weekend)s?|daily|every day))"
        r" (\d{1,2}|(?:\d{1,2} )+and \d{1,2})$",
        r"\1 at \2",
    ),
)
EXCEPT_DAYS = re.compile(
    r"(?:every |each )?(?P<base>.+?)(?P<before>(?: at)?(?: \d.*?| noon| midnight))?"
    r" (?:except|but|excluding)(?: not| for)?"
    rf"(?: on)? (?P<out>(?:(?:{DAY_NAME}|weekend|weekday|workday)s?\b(?: and| or)? ?)+)(?P<after> ?(?:at )?\d.*)?"
)
#: What has two meanings, or none here, and what to write instead.
UNCLEAR: tuple[tuple[str, str], ...] = (
    (
        r"\bbi-?monthly\b",
        'is twice a month or every 2 months; write "1st and 15th at 9:00" or "every 2 months 9:00"',
    ),
    (r"\bbi-?annual(?:ly)?\b", 'is twice a year or every 2 years; write "every 6 months on day 1 at 9:00"'),
    (
        r"^(?:once |on )?(?:today|tomorrow|tonight|next |now$|in \d+ )",
        'is no day of the calendar; write it like "once 2026-12-24 08:00"',
    ),
    (r"\b\d{1,2}[./]\d{1,2}[./]\d{2,4}\b", "has a day that can be read in two ways; write it as 2026-12-24"),
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
    (r"\d:\d\d:\d\d", "has seconds; reports start at whole minutes"),
)
SPAN_OF_HOURS = re.compile(
    rf"(?:hourly|(?:every |each )?(?:(\d+) )?(hour|minute)s?) (?:from |between )?({CLOCK}|\d{{1,2}})"
    rf"(?: ?- ?| to | and | until )({CLOCK}|\d{{1,2}})(?: on)?(?: (.+))?"
)


def without_days(text: str, words: str) -> str:
    """Return "every day except sunday at 9:00" as the days that are left; all else as it is. Raise UsageError."""
    found = EXCEPT_DAYS.fullmatch(words)
    if found is None:
        return words
    base = "day" if found["base"] in ("daily", "day") else found["base"]
    try:
        days, out = read_days(text, base), read_days(text, re.sub(r"\bor\b", "and", found["out"]))
    except UsageError:
        return words
    left = [DAYS[day].lower() for day in days if day not in out]
    if not left:
        raise bad(f"{text!r} leaves no day on which it comes due.")
    return " ".join([*left, *(found["before"] or "").split(), *(found["after"] or "").split()])


def plainer(words: str) -> str:
    """Return *words* (small letters, no commas) in the forms that `spoken` reads; what is unknown stays as it is."""
    first, _, rest = words.partition(" ")
    words = f"{MACROS[first]} {rest}".strip() if first in MACROS else words
    every = re.fullmatch(r"@every (?:(\d+)h)?(?:(\d+)m)?(?:0s)?", words)
    if every and (every[1] or every[2]):
        hours, minutes = int(every[1] or 0), int(every[2] or 0)
        return f"every {hours} hours" if not minutes else f"every {60 * hours + minutes} minutes"
    words = re.sub(rf"^(every |each )({'|'.join(NUMBERS)})\b", lambda m: f"{m[1]}{NUMBERS.index(m[2]) + 1}", words)
    for written, meant in HABITS:
        words = re.sub(written, meant, words)
    nth = rf"^(every |each )({'|'.join(ORDINALS)}) (day|week|month)(?!s? of)\b"
    return re.sub(nth, lambda m: f"{m[1]}{ORDINALS[m[2]]} {m[3]}s", words)


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
    hours = SPAN_OF_HOURS.fullmatch(words)
    if hours:
        raise bad(f"{text!r} has a span of hours, which is written as cron text.", _cron_of(text, hours))
    named = [found.span() for found in re.finditer(rf"\b(?:{DAY_NAME})s?\b", words)]
    for (_, end), (begin, _) in pairwise(named):
        if re.search(CLOCK, words[end:begin]) and re.search(CLOCK, words[begin:]):
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
