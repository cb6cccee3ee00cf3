"""
Ways of writing a schedule that other programs have taught people, brought to the forms that `spoken` reads.

Cron's ``@daily``, a calendar's ``Weekly on Monday``, ``9:00 every day``, ``biweekly``, ``every 15m``, ``end of month``.
"""

import re
from collections.abc import Callable

from ..errors import UsageError
from .claims import NUMBERS
from .rule_parts import WORKING_DAY, bad
from .rule_text import DAYS, LATER
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
#: What a pattern is replaced by.
Meant = str | Callable[[re.Match[str]], str]
UNITS = {"m": "month", "q": "quarter", "y": "year"}
FROM_LAST = "|".join((*LATER, "2nd", "3rd", *(f"{number}th" for number in range(4, 11))))
ORDINALS = {"second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4}
#: "3 days before the end of the month", "the day before month end": the fourth last day, the second last.
BEFORE_END = re.compile(
    rf"^(?:every |each |on )?(?:the )?(?:(a|\d|{'|'.join(NUMBERS[:9])}) )?days? before (?:the )?"
    r"(?:last(?: day)? of (?:the |each |every )?|end of (?:the |each |every )?|(?=(?:month|quarter|year)[ -]?end))"
    r"(month|quarter|year)(?:[ -]?end)?(?= |$)"
)
#: What is written, and what it means; in this order.
HABITS: tuple[tuple[str, Meant], ...] = (
    (r" \(\d days? before the last\)", ""),
    (r"\b(?:penultimate|next[ -]to[ -](?:the[ -])?last) day\b|\blast (?:day )?but one(?: day)?\b", "second last day"),
    (rf"\b({FROM_LAST})(?:-|[ -](?:to|from)[ -](?:the[ -])?)last\b", r"\1 last"),
    (r"^(?:every |each |on |at )?(?:the )?eo([mqy])\b", lambda found: f"last day of the {UNITS[found[1]]}"),
    (r"\b(first|1st) and (?:the )?last day\b", "1st and last day"),
    (r"\band (?:the )?end of (?:the )?month\b", "and last day of the month"),
    (r"\b(half|quarter) past (\d{1,2})\b", lambda found: f"{found[2]}:{'30' if found[1] == 'half' else '15'}"),
    (r"\b(hours?|hourly) on the half hour$", r"\1 :30"),
    (r" ?@ ?(?=\d)", " at "),
    (rf"(?<=\b)({DAY_NAME}) ?[/+&] ?(?={DAY_NAME})", r"\1 and "),
    (r" & ", " and "),
    (r"\b(of|in) (?=(?:month|quarter|year)\b)", r"\1 the "),
    (r"\b(\d{1,2})\. (?=of |day)", r"\1 "),
    (rf"^(?:on |every )?alternate (?={DAY_NAME})", "every other "),
    (r"\bonly on\b", "on"),
    (r"^once (?:an?|per|every|each) (?=hour|day|week|month|quarter|year)", "every "),
    (r"^once (?=daily|weekly|monthly|quarterly|yearly)", ""),
    (r"^(?:every |each |on )?(?:the )?first of (?:the|every|each) month\b", "1st of the month"),
    (r"\b([ap])\. ?m\.?(?= |$)", r"\1m"),
    (r"(?<=\d:\d\d):00\b", ""),
    (r"\b(\d{1,2})h(\d{2})\b", r"\1:\2"),
    (r"\bat ([01]?\d|2[0-3])\.([0-5]\d)$", r"at \1:\2"),
    (r"\b(1[0-2]|[1-9])([0-5]\d) ?([ap])m\b", r"\1:\2 \3m"),
    (rf"\b(at|daily|(?:{DAY_NAME}|day|weekday|workday)s?) ([01]\d|2[0-3])([0-5]\d)$", r"\1 \2:\3"),
    (r"\b(\d{1,2}) o'?clock\b", r"\1:00"),
    (r"^rate ?\((.+)\)$", r"every \1"),
    (r"^((?:every |each )?\d+) ?(?:m|mins?)\b", r"\1 minutes"),
    (r"^((?:every |each )?\d+) ?(?:h|hrs?)\b", r"\1 hours"),
    (r"^(every |each )half(?: an|-)? ?hour$", r"\g<1>30 minutes"),
    (r"^(every |each )(?:1\.5 hours?|(?:an )?hour and a half)$", r"\g<1>90 minutes"),
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
        r"^(?:every |each |on )?(?:the )?(?:end of (?:the )?|(?=(?:month|quarter|year)[ -]end))(month|quarter|year)"
        r"(?:[ -]end)?(?= |$)",
        r"last day of the \1",
    ),
    (r"^(?:every |each )?(?:the )?(?:start|beginning) of (?:the )?(month|quarter|year)(?= |$)", r"first day of the \1"),
    (rf"^(?:at )?({CLOCKS}) (?:on )?((?:(?!{CLOCK}|at ).)+)$", r"\2 at \1"),
    (rf"^(?:every |each |on |all )?{WORKING_DAY}s?(?= (?!of ))", "weekdays"),
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


def _before_end(found: re.Match[str]) -> str:
    """Return "the day before month end" as the day counted from the end: ``second last day of the month``."""
    word = found[1] or "1"
    number = int(word) if word.isdigit() else 1 if word == "a" else NUMBERS.index(word) + 1
    return f"{LATER[number - 1]} last day of the {found[2]}" if number else found[0]


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
    words = BEFORE_END.sub(_before_end, words)
    for written, meant in HABITS:
        words = re.sub(written, meant, words)
    nth = rf"^(every |each )({'|'.join(ORDINALS)}) (day|week|month)(?!s? of)\b"
    return re.sub(nth, lambda m: f"{m[1]}{ORDINALS[m[2]]} {m[3]}s", words)
