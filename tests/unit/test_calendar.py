"""The generator against an oracle that looks at every minute; words and sentences; rules that cannot be."""

import json
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise, takewhile

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from scheduler_daemon.errors import UsageError
from scheduler_daemon.lib.zones import changes, find_zone, zone_names
from scheduler_daemon.model import Recurrence, RuleKind
from scheduler_daemon.when.recurrence import check, from_json, read_columns, rule_hash, to_json
from scheduler_daemon.when.rule_text import sentence
from scheduler_daemon.when.spoken import read_words
from scheduler_daemon.when.timetable import occurrences
from tests.unit.calendars import clocks, moments, oracle, rules, zones


def refused(rule: Recurrence) -> bool:
    try:
        check(rule)
    except UsageError:
        return True
    return False


DAILY = Recurrence(RuleKind.DAILY, time="00:30", also=("12:00",))


@settings(max_examples=150, deadline=None)
@example(rule=DAILY, name="Pacific/Apia", after=datetime(2011, 12, 29, tzinfo=UTC), days=5)
@example(rule=DAILY, name="Pacific/Kwajalein", after=datetime(1993, 8, 19, tzinfo=UTC), days=5)
@example(rule=DAILY, name="America/Santiago", after=datetime(2026, 4, 3, tzinfo=UTC), days=5)
@example(rule=DAILY, name="America/Havana", after=datetime(2026, 10, 31, tzinfo=UTC), days=3)
@given(rule=rules(), name=zones(), after=moments(), days=st.sampled_from([2, 2, 2, 3, 5]))
def test_the_generator_says_what_every_minute_of_the_calendar_says(
    rule: Recurrence, name: str, after: datetime, days: int
) -> None:
    zone, until = find_zone(name), after + timedelta(days=days)
    ours = takewhile(lambda item: item.due_at <= until, occurrences(rule, zone, after))
    assert [(item.key, item.due_at) for item in ours] == oracle(rule, zone, after, until)


@settings(max_examples=100, deadline=None)
@given(rule=rules(), name=zones(), after=moments())
def test_occurrences_come_in_order_and_each_once(rule: Recurrence, name: str, after: datetime) -> None:
    assume(not refused(rule))
    found = list(islice(occurrences(rule, find_zone(name), after), 60))
    assert all(a.due_at <= b.due_at for a, b in pairwise(found))
    assert len({item.key for item in found}) == len(found)
    assert all(item.due_at > after for item in found)
    for item in found[:5]:  # going on from any of them gives the rest
        behind = [one for one in found if one.due_at > item.due_at]
        assert list(islice(occurrences(rule, find_zone(name), item.due_at), len(behind))) == behind


def test_a_daily_time_comes_once_a_local_day_in_every_zone_on_both_nights() -> None:
    for name in sorted(zone_names() - {"Factory", "localtime"}):
        zone = find_zone(name)
        for change, _ in changes(zone, 2026):
            for clock in ("00:00", "00:30", "01:30", "02:00", "02:15", "02:30", "03:00"):
                begin = change - timedelta(days=2)
                found = list(islice(occurrences(Recurrence(RuleKind.DAILY, time=clock), zone, begin), 5))
                days = [datetime.fromisoformat(item.key).date() for item in found]
                assert [b - a for a, b in pairwise(days)] == [timedelta(days=1)] * 4, (name, clock)


@settings(max_examples=300, deadline=None)
@given(rule=rules())
def test_a_rule_is_read_back_from_its_sentence_and_its_json(rule: Recurrence) -> None:
    assume(not refused(rule))
    assert read_words(sentence(rule)) == rule
    assert from_json(json.loads(json.dumps(to_json(rule)))) == rule
    assert len(rule_hash(rule, "UTC")) == 16


@pytest.mark.parametrize(
    ("rule", "digest"),
    [
        (Recurrence(RuleKind.DAILY, time="08:00"), "065e7bcc19f86019"),
        (Recurrence(RuleKind.WEEKLY, time="09:30", days=(1, 3)), "1cdfc69a9152aba0"),
        (Recurrence(RuleKind.MONTHLY, time="06:00", day=31), "93231cf6cf55ba76"),
        (Recurrence(RuleKind.HOURLY, minute=15), "9a30635bc37eeb19"),
        (Recurrence(RuleKind.CRON, cron="*/15 8-18 * * 1-5"), "564a85175e4a86ea"),
        (Recurrence(RuleKind.ONCE, at="2026-12-24T08:00"), "c0ccc4e2909d9bb7"),
        (None, "2c057dfd963fe0ea"),
    ],
)
def test_a_rule_of_an_older_version_keeps_its_hash(rule: Recurrence | None, digest: str) -> None:
    assert rule_hash(rule, "Europe/Paris") == digest


QUARTERS = "January, April, July and October"
SECOND_LAST, FOURTH_LAST = "the second last day (1 day before the last)", "the fourth last day (3 days before the last)"
FRIDAYS = "the first, second and last Friday"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("weekday at 8:30", "Every weekday at 08:30"),
        ("every 2 weeks on friday at 9", "Every 2 weeks on Friday at 09:00"),
        ("every other friday at 9", "Every 2 weeks on Friday at 09:00"),
        ("first monday of the month 9:00", "Every month on the first Monday at 09:00"),
        ("2nd tuesday of each month at noon", "Every month on the second Tuesday at 12:00"),
        ("last working day 17:00", "Every month on the last working day at 17:00"),
        ("the 15th of every month at 7", "Every month on day 15 at 07:00"),
        ("quarterly on the 1st at 6:00", "Every quarter on day 1 at 06:00"),
        ("last day of the quarter at 18:00", "Every quarter on the last day at 18:00"),
        ("every january, april, july and october on the last day at 8", f"Every {QUARTERS} on the last day at 08:00"),
        ("last working day of the year 9:00", "Every year on the last working day of December at 09:00"),
        ("first monday of the year 9:00", "Every year on the first Monday of January at 09:00"),
        ("every 3 months on day 31 at 6:00", "Every quarter on day 31 (or the month's last day) at 06:00"),
        ("every year on 24 dec at 8", "Every year on 24 December at 08:00"),
        ("every january and july on the 15th at 8am", "Every January and July on day 15 at 08:00"),
        ("yearly on feb 29 at 8:00", "Every year on 29 February (or the month's last day) at 08:00"),
        ("daily at 8:00, 12:00 and 18:00", "Every day at 08:00, 12:00 and 18:00"),
        ("every 90 minutes", "Every 90 minutes"),
        ("monday 8:00 until 2027-01-31", "Every Monday at 08:00, until 2027-01-31"),
        ("daily at 9 from 1 dec 2026 except 2026-12-25", "Every day at 09:00, from 2026-12-01, except 2026-12-25"),
        ("0 9 * * 1,3 until 2027-01-31", "Every Monday and Wednesday at 09:00 (cron 0 9 * * 1,3), until 2027-01-31"),
        ("1st and 15th at 9:00", "Every month on days 1 and 15 at 09:00"),
        ("monthly on 1, 10 and 20 at 9", "Every month on days 1, 10 and 20 at 09:00"),
        ("15th and last day of the month 9:00", "Every month on days 15 and 31 (or the month's last day) at 09:00"),
        (
            "every year on 15 and 29 february at 8",
            "Every year on 15 and 29 February (or the month's last day) at 08:00",
        ),
        ("monday to friday at 9", "Every weekday at 09:00"),
        ("fri-sun 9:00", "Every Friday, Saturday and Sunday at 09:00"),
        ("once 24 dec 2026 at 8am", "Once, on 2026-12-24 at 08:00"),
        ("once 2026-12-24T08:00", "Once, on 2026-12-24 at 08:00"),
        ("on 2026-12-24 at 8:00", "Once, on 2026-12-24 at 08:00"),
        ("0 9 1,15 * *", "Every month on days 1 and 15 at 09:00 (cron 0 9 1,15 * *)"),
        ("0 9 * * MON#1", "Every month on the first Monday at 09:00 (cron 0 9 * * MON#1)"),
        ("0 9 ? * MON", "Every Monday at 09:00 (cron 0 9 ? * MON)"),
        ("0 9,18 * * *", "Every day at 09:00 and 18:00 (cron 0 9,18 * * *)"),
        ("*/15 9-17 * * 1-5", "Every 15 minutes from 09:00 to 17:45 on weekdays (cron */15 9-17 * * 1-5)"),
        ("30 9-17 * * MON,TUE", "Every hour from 09:30 to 17:30 on Monday and Tuesday (cron 30 9-17 * * MON,TUE)"),
        ("0 9 1 * 1", "By cron text '0 9 1 * 1'"),
        ("0 9 * 6 1#1", "By cron text '0 9 * 6 1#1'"),
        ("third working day 9:00", "Every month on the third working day at 09:00"),
        ("10th business day of the month at 9", "Every month on the tenth working day at 09:00"),
        ("sixth working day of the quarter at 8", "Every quarter on the sixth working day at 08:00"),
        ("day 15 at 8:00", "Every month on day 15 at 08:00"),
        ("3 days before the end of the month at 9", f"Every month on {FOURTH_LAST} at 09:00"),
        ("the day before the last day of the month at 9:00", f"Every month on {SECOND_LAST} at 09:00"),
        ("2 days before month end 8:00", "Every month on the third last day (2 days before the last) at 08:00"),
        ("penultimate day of the month 9:00", f"Every month on {SECOND_LAST} at 09:00"),
        ("second to last day of the quarter 9:00", f"Every quarter on {SECOND_LAST} at 09:00"),
        ("day before the end of the year 8:00", f"Every year on {SECOND_LAST} of December at 08:00"),
        ("3rd last day of the month at 9:00", "Every month on the third last day (2 days before the last) at 09:00"),
        ("3rd, last day of the month at 9:00", "Every month on days 3 and 31 (or the month's last day) at 09:00"),
        ("last day of the month at 18:00", "Every month on the last day at 18:00"),
        ("first and last day of the month 9:00", "Every month on days 1 and 31 (or the month's last day) at 09:00"),
        ("15th and end of month at 9", "Every month on days 15 and 31 (or the month's last day) at 09:00"),
        ("eom 18:00", "Every month on the last day at 18:00"),
        ("year end 23:00", "Every year on the last day of December at 23:00"),
        ("eoq at 18:00", "Every quarter on the last day at 18:00"),
        ("weekdays at half past 8", "Every weekday at 08:30"),
        ("daily 0730", "Every day at 07:30"),
        ("weekdays at 1630", "Every weekday at 16:30"),
        ("monday at 730pm", "Every Monday at 19:30"),
        ("once on 24 dec 2026 at 0900", "Once, on 2026-12-24 at 09:00"),
        ("first day of january and july 9:00", "Every January and July on day 1 at 09:00"),
        ("last day of march, june and september 9:00", "Every March, June and September on the last day at 09:00"),
        ("second monday in may and october at 9", "Every May and October on the second Monday at 09:00"),
        ("every hour on the half hour", "Every hour at :30"),
        ("daily@9:00", "Every day at 09:00"),
        ("1st, 2nd and last friday 9:00", f"Every month on {FRIDAYS} at 09:00 (cron 0 9 * * 5#1,5#2,5L)"),
        ("on days 1, 15 and last at 8:00", "Every month on days 1, 15 and 31 (or the month's last day) at 08:00"),
        ("*/90 * * * *", "Every hour at :00 (cron */90 * * * *)"),
        ("*/45 * * * *", "Every hour at :00 and :45 (cron */45 * * * *)"),
        ("0 */30 * * *", "Every day at 00:00 (cron 0 */30 * * *)"),
        ("*/7 * * * *", "By cron text '*/7 * * * *'"),
        (
            "first and third monday at 9:00",
            "Every month on the first and third Monday at 09:00 (cron 0 9 * * 1#1,1#3)",
        ),
        (
            "1st monday and last friday of the month at 9 and 17",
            "Every month on the first Monday and the last Friday at 09:00 and 17:00 (cron 0 9,17 * * 1#1,5L)",
        ),
        ("mondays in june and july at 8:00", "Every Monday in June and July at 08:00 (cron 0 8 * 6,7 1)"),
        ("every day in january at 8", "Every day in January at 08:00 (cron 0 8 * 1 *)"),
    ],
)
def test_what_people_write_is_understood_and_said_back(words: str, said: str) -> None:
    assert sentence(read_words(words)) == said
    assert read_words(said) == read_words(words)


@pytest.mark.parametrize(
    ("words", "plainly"),
    [
        ("9:00 every day", "daily 9:00"),
        ("9am and 5pm on weekdays", "weekdays at 9:00 and 17:00"),
        ("At 09:00 AM, Monday through Friday", "weekdays 9:00"),
        ("at 8 every monday until 2027-01-31", "monday 8:00 until 2027-01-31"),
        ("monday 8", "monday 8:00"),
        ("daily 8, 12 and 18", "daily 8:00, 12:00 and 18:00"),
        ("biweekly on friday at 9:00", "every 2 weeks on friday at 9:00"),
        ("fortnightly on monday at 8", "every 2 weeks on monday at 8:00"),
        ("every two weeks on friday at 9", "every 2 weeks on friday at 9:00"),
        ("every second day at 8:00", "every 2 days at 8:00"),
        ("@hourly", "hourly :00"),
        ("@daily except 2026-12-25", "daily 0:00 except 2026-12-25"),
        ("@weekly", "sunday 0:00"),
        ("@monthly", "monthly 1 0:00"),
        ("@yearly", "yearly on 1 january at 0:00"),
        ("@every 1h30m", "every 90 minutes"),
        ("every 15m", "every 15 minutes"),
        ("every 2 hrs", "every 2 hours"),
        ("every half hour", "every 30 minutes"),
        ("every hour at 15 past", "hourly :15"),
        ("every day except sunday at 9:00", "mon-sat 9:00"),
        ("daily at 8:00 except weekends", "weekdays 8:00"),
        ("Every weekday (Monday to Friday) at 9:00", "weekdays 9:00"),
        ("mon/wed/fri 9:00", "mon, wed and fri 9:00"),
        ("Mon..Fri *-*-* 09:00:00", "weekdays 9:00"),
        ("every monday at 9 a.m.", "monday 9:00"),
        ("weekdays at 8h30", "weekdays 8:30"),
        ("once a month at 8:00", "monthly 8:00"),
        ("end of month at 18:00", "last day of the month 18:00"),
        ("beginning of the quarter 9:00", "quarterly on the 1st at 9:00"),
        ("first of the month at 9", "monthly 1 9:00"),
        ("twice daily at 8 and 17", "daily at 8:00 and 17:00"),
        ("three times a day at 8, 12 and 17", "daily at 8:00, 12:00 and 17:00"),
        ("3x daily at 8, 12 and 17", "daily at 8:00, 12:00 and 17:00"),
        ("twice a day on weekdays at 8 and 17", "weekdays at 8:00 and 17:00"),
        ("twice daily at 8 and 17 on weekdays", "weekdays at 8:00 and 17:00"),
        ("twice a week on monday and thursday at 8", "monday and thursday 8:00"),
        ("twice a month on 1 and 15 at 8", "1st and 15th at 8:00"),
        ("twice a month on the first and third monday at 9", "first and third monday at 9:00"),
        ("every working day at 8:30", "weekdays 8:30"),
        ("business days 8:30", "weekdays 8:30"),
        ("nightly at 2", "daily 2:00"),
        ("every evening at 20:00", "daily 20:00"),
        ("monday mornings at 8", "monday 8:00"),
        ("at 8:00 in the morning on weekdays", "weekdays 8:00"),
        ("last day of month 18:00", "last day of the month 18:00"),
        ("alternate mondays at 9:00", "every 2 weeks on monday at 9:00"),
        ("15. of the month 8:00", "monthly 15 8:00"),
        ("every 1.5 hours", "every 90 minutes"),
    ],
)
def test_other_ways_of_writing_it_mean_the_same(words: str, plainly: str) -> None:
    assert read_words(words) == read_words(plainly)


@pytest.mark.parametrize(
    ("words", "reason", "way_out"),
    [
        (
            "every second monday at 8:00",
            "of weeks or of a month",
            '"every 2 weeks on monday at 8:00" or "second monday of',
        ),
        ("every 15 minutes from 9:00 to 17:00 on weekdays", "a span of hours", '"*/15 9-16 * * 1-5"'),
        ("hourly between 9 and 17", "a span of hours", '"0 9-17 * * *"'),
        ("monday 8:00 and tuesday 9:00", "times of its own for several days", ""),
        ("first and third monday at 9:00 and 17:30", "do not go into one rule", ""),
        ("every day except weekdays and weekends at 8", "leaves no day", ""),
        ("bimonthly 9:00", "twice a month or every 2 months", ""),
        ("tomorrow at 8", "no day of the calendar", ""),
        ("24/12/2026 08:00", "read in two ways; write it as 2026-12-24", ""),
        ("monday 15.12 8:00", "'15.12' is no day", ""),
        ("RRULE:FREQ=WEEKLY;BYDAY=MO", "is an RRULE", ""),
        ("cron(0 9 * * ? *)", "cron text of AWS", ""),
        ("0 9 * * ? *", "has 6 fields", ""),
        ("? 9 * * *", "is not understood", ""),
        ("*/0 * * * *", "its minute is '*/0', and may be 0 to 59", '"* * * * *"'),
        ("0 9 15W * *", "its day-of-month is '15W', and may be 1 to 31", '"0 9 15 * *"'),
        ("0 9 * * 1#6", "its day-of-week is '1#6', and may be 0 to 7", '"0 9 * * 1#5"'),
        ("CRON_TZ=UTC 0 9 * * *", "--zone", ""),
        ("daily 9:00 Europe/Paris", "--zone Europe/Paris", ""),
        ("2026-12-24T08:00:00Z", "names an offset", ""),
        ("daily 08:00:30", "has seconds", ""),
        ("every 90 seconds", "counts seconds", ""),
        ("every 4 years on 29 feb at 8:00", "more than a year", ""),
        ("@reboot", "reports run REPORT", ""),
        ("monthly 31 feb 8:00", "'monthly' does not go with the rest", ""),
        ("twice daily at 8", "says 2 times a day, and names 1 time of day", "daily at 8:00 and 17:00"),
        ("twice a week at 8:00", "does not say which", "monday and thursday at 8:00"),
        ("twice a month at 9", "does not say which", "1st and 15th at 8:00"),
        ("every evening at 8", "says evening, and 08:00 is none; write 20:00", ""),
        ("every night at 11", "says night, and 11:00 is none; write 23:00", ""),
        ("monday night at 2", "says night, and 02:00 is none", ""),
        ("every monday morning", "names no time of day", '"every monday morning at 8:00"'),
        ("monday evening", "names no time of day", '"monday evening at 17:00"'),
        ("monthly", "names no time of day", '"monthly at 8:00"'),
        ("8am", "names no day", '"daily at 8am"'),
        ("at 8 and 17", "names no day", '"daily at 8 and 17"'),
        ("every third working day at 9:00", "may be of each month", '"third working day of the month at 9:00"'),
        ("second last friday of the month 9:00", "counts from the end of the month", '"last friday 9:00"'),
        ("third to last working day 9:00", "counts from the end of the month", '"second last day 9:00"'),
        (
            "2 working days before month end 9:00",
            "counts back from a day",
            "3 days before the end of the month at 9:00",
        ),
        ("12 days before month end at 9", "by 1 to 9 days", ""),
        ("2 days before month end", "names no time of day", '"2 days before month end at 8:00"'),
        ("day after the first monday of the month 9:00", "counts on from another day", ""),
        ("last 3 days of the month at 9:00", "is several days", ""),
        ("semi-monthly at 8:00", "does not say on which days", ""),
        ("hourly on weekdays from 9 to 17", "a span of hours", '"0 9-17 * * 1-5"'),
        ("every 2 hours on weekdays", "every so often on some days", '"0 */2 * * 1-5"'),
        ("monday at 8 and friday at 17", "times of its own for several days", ""),
        ("monday 8.30", "a time of day with a point", ""),
        ("every -5 minutes", "never comes due", '"every minute"'),
        ("2026-12-24", "is a day, and no time of day is said", '"once 2026-12-24 08:00"'),
        ("once on 24 dec 2026", "is a day, and no time of day is said", '"once 2026-12-24 08:00"'),
        ("0 25 * * *", "its hour is '25', and may be 0 to 23", '"0 23 * * *"'),
        ("0 24 * * *", "its hour is '24'", '"0 0 * * *"'),
        ("60 9 * * *", "its minute is '60'", '"0 9 * * *"'),
        ("0 9 32 * *", "its day-of-month is '32'", '"0 9 L * *"'),
        ("0 9 * 13 *", "its month is '13'", '"0 9 * 12 *"'),
        ("0 9 * * 8", "its day-of-week is '8'", '"0 9 * * 7"'),
        ("0 9 * * MONDAY", "its day-of-week is 'MONDAY'", '"0 9 * * MON"'),
        ("0 17-9 * * *", "its hour is '17-9'", '"0 17-23,0-9 * * *"'),
        ("0 9 * * FRI-MON", "its day-of-week is 'FRI-MON'", '"0 9 * * 5-6,0-1"'),
        ("0 0 9 ? * MON", "has 6 fields", '"0 9 ? * MON"'),
        ("every monday until christmas at 9", "'christmas at 9' behind 'until' is no day", ""),
    ],
)
def test_what_cannot_be_said_is_refused_with_its_reason(words: str, reason: str, way_out: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_words(words)
    assert reason in caught.value.message
    assert way_out in caught.value.hint + caught.value.message
    if way_out:
        for offered in caught.value.hint.split('"')[1::2]:
            read_words(offered)


def test_the_last_day_of_a_quarter_is_that_of_its_last_month() -> None:
    rule, begin = read_words("quarterly on the last day at 18:00"), datetime(2026, 1, 1, tzinfo=UTC)
    found = islice(occurrences(rule, UTC, begin), 4)
    assert [item.key[5:10] for item in found] == ["03-31", "06-30", "09-30", "12-31"]


@pytest.mark.parametrize(
    ("words", "reason", "nearest"),
    [
        ("every 31 february at 8:00", "There is no 31 February", "every year on the last day of February at 08:00"),
        ("every 0 minutes", "Every 0 minutes never comes due", "every minute"),
        ("every 60 weeks on monday at 9", "more than 52 weeks", "every 52 weeks on monday at 09:00"),
        ("daily 8:00 from 2026-12-25 until 2026-12-24", "It ends on 2026-12-24, before it starts", "from 2026-12-25"),
        ("once 2026-12-24 08:00 until 2026-12-30", "has no start, no end", "once 2026-12-24T08:00"),
        ("0 9 31 2 *", "never comes due", "0 9 L 2 *"),
        (
            "every 5 months on the 3rd at 9:30",
            "does not fit a year",
            '"every 4 months on day 3 at 09:30" or "every 6 months on day 3 at 09:30"',
        ),
        ("every 7 months on last friday at 9", "does not fit a year", '"every 6 months on the last Friday at 09:00".'),
        ("every 24 months on the 3rd at 9:30", "does not fit a year", '"every year on 3 January at 09:30".'),
        ("every 0 months on the 3rd at 9:30", "never comes due", '"every month on day 3 at 09:30".'),
        (
            "daily at 8 from 2026-12-25 until 2026-12-25 except 2026-12-25",
            "exceptions leave no day",
            "every day at 08:00, from 2026-12-25 until 2026-12-25",
        ),
        (
            "every minute from 2026-12-25 until 2026-12-25 except 2026-12-25",
            "exceptions leave no day",
            "every minute, from 2026-12-25 until 2026-12-25",
        ),
        ("friday 8:00 from 2026-12-26 until 2026-12-30", "between its start and its end", "from 2026-12-26"),
    ],
)
def test_what_never_comes_due_is_refused_with_the_nearest_that_does(words: str, reason: str, nearest: str) -> None:
    with pytest.raises(UsageError, match=reason) as caught:
        read_words(words)
    assert caught.value.code == "bad_recurrence"
    assert nearest in caught.value.hint
    for offered in caught.value.hint.split('"')[1::2]:
        read_words(offered)  # what is offered works


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"kind": "daly"}, "Did you mean 'daily'"),
        ({"kind": "daily", "evry": 2}, "no field 'evry'"),
        ({"kind": "minutes", "every": 1.5}, "no whole number"),
        ({"kind": "minutes", "every": True}, "no whole number"),
        ({"kind": "daily", "times": "08:00"}, "no list"),
        ({"kind": "daily", "time": "08:00", "times": ["09:00"]}, "either a time or times"),
        ({"kind": "daily", "on": "last day"}, "has no on"),
        ({"kind": "monthly", "on": "sixth monday"}, "no day of the month"),
        ({"kind": "weekly", "days": ["mo"]}, "no day of the week"),
        ({"kind": "daily", "end": "2026-02-30"}, "no 30 February 2026"),
        ({"kind": "cron", "cron": "0 9 * * 1", "every": 2}, "has no every"),
        ({"kind": "once", "at": "2026-12-24"}, "is a day, and no time of day is said"),
    ],
)
def test_a_stored_rule_that_cannot_be_read_is_refused_by_name(data: dict[str, object], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        from_json(data)


@given(frequency=st.sampled_from(["DAILY", "weekly", "Monthly", "HOURLY"]), day=st.integers(0, 7), clock=clocks)
def test_the_apps_columns_mean_what_they_meant(frequency: str, day: int, clock: str) -> None:
    made = read_columns(frequency, day, day + 20, clock)
    assert made is not None
    assert (
        to_json(made)
        == {
            "DAILY": {"kind": "daily", "time": clock},
            "WEEKLY": {"kind": "weekly", "time": clock, "days": [day % 7]},
            "MONTHLY": {"kind": "monthly", "time": clock, "day": day + 20},
            "HOURLY": {"kind": "hourly", "minute": int(clock[3:])},
        }[frequency.upper()]
    )


def test_every_90_minutes_is_counted_by_elapsed_time_over_a_clock_change() -> None:
    after = datetime(2026, 3, 28, 12, tzinfo=UTC)
    found = list(islice(occurrences(read_words("every 90 minutes"), find_zone("Europe/Paris"), after), 40))
    assert {b.due_at - a.due_at for a, b in pairwise(found)} == {timedelta(minutes=90)}
