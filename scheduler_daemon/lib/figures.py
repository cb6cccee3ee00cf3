"""Numbers as people read them: thousands grouped, every cent kept. Text in, text out; no binary float in between."""

from collections.abc import Callable
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation

#: Decimals of the currencies that do not have two (ISO 4217, list one, column "minor unit").
MINOR_UNITS = {
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV"), 0
    ),
    **dict.fromkeys(("XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
#: Enough digits that no amount is rounded.
EXACT = Context(prec=200)
TENTH = Decimal("0.1")


def grouped(value: object) -> str:
    """Return a number with its thousands grouped and its decimals as they are: ``-1,234.50``; other text as it is."""
    number = _read(value)
    return str(value) if number is None else _written(number)


def money(value: object, currency: str | None) -> str:
    """
    Return an amount with the decimals of its *currency*: ``1,234.50`` (EUR), ``1,234`` (JPY), ``1.500`` (BHD).

    An amount with more decimals than that keeps them all; with no currency the decimals stay as they are.
    """
    number = _read(value)
    if number is None:
        return str(value)
    if currency is None:
        return _written(number)
    unit = Decimal(1).scaleb(-MINOR_UNITS.get(currency, 2))
    try:
        usual = number.quantize(unit, context=EXACT)
    except InvalidOperation:
        return _written(number)
    return _written(usual if usual == number else number)


def change(value: object, before: object, shown: Callable[[str], str] = grouped) -> str:
    """
    Return how a figure differs from the one *before*: ``up 12.3 % from 1,098.75``, ``unchanged``.

    *shown* writes the one before. The percentage is of the one before, rounded half up to a tenth. It is left out where
    it would be no figure: from 0, and where one of the two is negative (``up from 0.00``, ``down from 20.00``).
    """
    now, then = _read(value), _read(before)
    if now is None or then is None:
        return f"from {before}"
    if now == then:
        return "unchanged"
    way = "up" if now > then else "down"
    if then <= 0 or now < 0:
        return f"{way} from {shown(str(before))}"
    percent = EXACT.divide(EXACT.multiply(EXACT.abs(EXACT.subtract(now, then)), Decimal(100)), then)
    tenths = percent.quantize(TENTH, rounding=ROUND_HALF_UP, context=EXACT)
    said = grouped(tenths) if tenths else f"less than {TENTH}"
    return f"{way} {said} % from {shown(str(before))}"


def _read(value: object) -> Decimal | None:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _written(number: Decimal) -> str:
    return f"{abs(number) if number.is_zero() else number:,f}"
