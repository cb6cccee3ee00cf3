"""
A daemon that makes and sends the scheduled reports of a Shopify app.

The walk of one due report:

    Schedule  -plan->    Occurrence    timetable
              -queue->   Run (queued)  store.schedules
              -claim->   Lease         store.leases
              -fetch->   Table         sources
              -render->  ReportFile    renderers
              -deliver-> Receipt...    channels
              -finish->  Run (closed)  store.corridor

The row of the ledger is born at *queue* and closed at *finish*.
"""

__version__ = "0.1.0"
