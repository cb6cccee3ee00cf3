"""What a driver raises on a full disk or a storage engine's fault: all trouble of the server's, none of a row's."""

import pytest
from pymysql.err import InternalError, OperationalError

from scheduler_daemon.errors import StoreError
from scheduler_daemon.store.faults import translate


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OperationalError(1114, "The table 'scheduler_run' is full"), "disk_full"),
        (OperationalError(1021, "Disk full (/tmp/x); waiting for someone to free some space"), "disk_full"),
        (InternalError(1030, 'Got error 28 "No space left on device" from storage engine InnoDB'), "disk_full"),
        (InternalError(1026, "Error writing file 'x' (errno: 28 \"No space left on device\")"), "disk_full"),
        (OperationalError(3, "Error writing file '/tmp/x' (Errcode: 28 \"No space left on device\")"), "disk_full"),
        (InternalError(1030, 'Got error 168 "Unknown (generic) error from engine" from storage engine InnoDB'), ""),
        (OperationalError(2013, "Lost connection to MySQL server during query"), ""),
    ],
)
def test_a_full_disk_is_nobodys_row(error: Exception, code: str) -> None:
    with pytest.raises(StoreError) as caught, translate("mysql://x"):
        raise error
    assert (caught.value.code, caught.value.retryable) == (code or "database_unavailable", True)
