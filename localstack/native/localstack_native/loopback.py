"""A check that nothing listens on another interface than loopback."""

import sys
from ipaddress import ip_address

import psutil

from localstack_native.shutdown import exit_with_processes


def exposed_addresses() -> list[str]:
    """Addresses other than loopback on which this process or a process that it started accepts TCP connections."""
    found = []
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        try:
            connections = process.net_connections(kind="tcp")
        except psutil.NoSuchProcess:
            continue
        found += [
            f"{connection.laddr.ip}:{connection.laddr.port}"
            for connection in connections
            if connection.status == psutil.CONN_LISTEN and not ip_address(connection.laddr.ip).is_loopback
        ]
    return found


def exit_unless_loopback_only() -> None:
    """Exit with status 1 if another machine could connect: requests are not authenticated."""
    if found := exposed_addresses():
        print(
            f"ERROR: LocalStack listens on {', '.join(found)}, where other machines can reach it. "
            "This version of localstack-native does not fit this version of LocalStack or its settings.",
            file=sys.stderr,
            flush=True,
        )
        exit_with_processes(1)
