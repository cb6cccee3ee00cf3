"""The tests; one process of theirs opens several kinds of database, so peewee is loaded here with every driver."""

import peewee  # noqa: F401
