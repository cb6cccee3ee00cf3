"""The mail of several notices: what happened, how often, and what to do. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..lib.words import isolated, plural, say_length
from ..model import Notice, NoticeKind

#: Stories told in full; the others are counted.
MOST = 20
SAID = {
    NoticeKind.FAILED: "{name} of {shop} failed",
    NoticeKind.LATE: "{name} of {shop} is late",
    NoticeKind.RECOVERED: "{name} of {shop} works again",
    NoticeKind.PAUSED: "{name} of {shop} is paused",
    NoticeKind.SHOP_PAUSED: "All reports of {shop} are paused",
    NoticeKind.SHOP_RESUMED: "The reports of {shop} go on",
}
COUNTED = {
    NoticeKind.FAILED: ("report", "failed"),
    NoticeKind.LATE: ("report", "late"),
    NoticeKind.RECOVERED: ("report", "recovered"),
    NoticeKind.PAUSED: ("report", "paused"),
    NoticeKind.SHOP_PAUSED: ("shop", "paused"),
    NoticeKind.SHOP_RESUMED: ("shop", "resumed"),
}
NEXT = {
    NoticeKind.FAILED: "More: scheduler history show {run}",
    NoticeKind.LATE: "It is tried again by itself. More: scheduler history show {run}",
    NoticeKind.PAUSED: "When it is cured: scheduler reports resume {schedule}",
    NoticeKind.SHOP_PAUSED: "It goes on by itself once that is cured; or: scheduler shops resume {shop}",
}


@dataclass(frozen=True, slots=True)
class Story:
    """Notices that tell the same of the same schedule or shop."""

    #: The latest of them.
    last: Notice
    #: When the first of them happened, UTC.
    since: datetime
    #: How many there are.
    count: int


def stories(notices: Sequence[Notice]) -> list[Story]:
    """Return *notices* put together by what they tell, what stands still first."""
    groups: dict[tuple[str, ...], list[Notice]] = {}
    for item in notices:
        key = (item.kind, item.shop, item.schedule_id, item.error_code or "")
        groups.setdefault(key, []).append(item)
    order = [NoticeKind.SHOP_PAUSED, NoticeKind.PAUSED, *NoticeKind]
    made = [Story(group[-1], group[0].created_at, len(group)) for group in groups.values()]
    return sorted(made, key=lambda story: (order.index(story.last.kind), story.last.shop, story.last.name))


def subject(notices: Sequence[Notice]) -> str:
    """Return one line: the one thing that happened, or how many things of which kind."""
    told = stories(notices)
    # That a shop pauses says of its reports, too, that they fail.
    paused = told[0].last.kind is NoticeKind.SHOP_PAUSED and len({story.last.shop for story in told}) == 1
    if len(told) == 1 or paused:
        return f"[Scheduler] {_said(told[0].last)}"
    parts = []
    for kind, (noun, verb) in COUNTED.items():
        number = len({(story.last.shop, story.last.schedule_id) for story in told if story.last.kind is kind})
        if number:
            parts.append(f"{plural(number, noun)} {verb}")
    return f"[Scheduler] {', '.join(parts)}"


def body(notices: Sequence[Notice], digest: timedelta) -> str:
    """Return the text of the mail; *digest* is how often one person is told of trouble that lasts."""
    told = stories(notices)
    parts = [_tell(story) for story in told[:MOST]]
    rest = told[MOST:]
    if rest:
        shops = len({story.last.shop for story in rest})
        parts.append(f"And {plural(len(rest), 'more case')} in {plural(shops, 'shop')}: scheduler notices list")
    parts.append(
        f"While trouble lasts you are told every {say_length(digest)} at most, and once when it is over.\n"
        "To be left alone for a while: scheduler notices mute --for 1d"
    )
    return "\n\n".join(parts) + "\n"


def _said(notice: Notice) -> str:
    return SAID[notice.kind].format(name=isolated(notice.name), shop=notice.shop)


def _tell(story: Story) -> str:
    last = story.last
    times = f" {story.count} times since {_clock(story.since)}, last" if story.count > 1 else ""
    lines = [f"{_said(last)}{times} at {_clock(last.created_at)}."]
    if last.error:
        lines.append(f"  {last.error}")
    if last.kind in NEXT:
        lines.append("  " + NEXT[last.kind].format(run=last.run_id, schedule=last.schedule_id, shop=last.shop))
    return "\n".join(lines)


def _clock(moment: datetime) -> str:
    return f"{moment:%a %d %b %Y %H:%M} UTC"
