"""Where rows come from: one module a report type."""

from importlib import import_module
from typing import cast

from ..errors import UsageError
from ..lib.words import did_you_mean
from .base import Source

TYPES = {
    "orders": "scheduler_daemon.sources.orders:Orders",
    "sales-by-product": "scheduler_daemon.sources.sales_by_product:SalesByProduct",
}


def open_source(type: str) -> Source:
    """Return the source of the report type *type*; raise UsageError `unknown_report_type`."""
    if type not in TYPES:
        near = did_you_mean(type, TYPES)
        message = f"{type!r} is no report type.{near}"
        raise UsageError(message, code="unknown_report_type", hint=f"There are: {', '.join(TYPES)}.")
    module, name = TYPES[type].split(":")
    return cast(Source, getattr(import_module(module), name)())
