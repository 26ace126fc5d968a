"""A network that swallows packets, which no connection notices by itself: here the loopback of a network namespace."""

import os
import subprocess
import sys

import pytest

WAIT_FOR_AN_ANSWER = """
import fcntl, socket, struct, sys, time
from sweeps.errors import UnreachableError
from sweeps.ledger import Ledger
from tests.postgres import postgres_server

def loopback(*, up):  # SIOCSIFFLAGS with IFF_UP
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", int(up)))

loopback(up=True)
with postgres_server() as server:
    ledger = Ledger(server.create_database())
    assert ledger.studies() == []
    loopback(up=False)
    begin = time.monotonic()
    try:
        ledger.studies()
    except UnreachableError as error:
        print(time.monotonic() - begin)
    loopback(up=True)
    assert ledger.studies() == []
    ledger.close()
"""


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="a network namespace needs root")
def test_a_query_ends_where_the_network_swallows_packets_before_a_lease_does() -> None:
    command = ["unshare", "--net", sys.executable, "-c", WAIT_FOR_AN_ANSWER]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert 5.0 < float(said.stdout) < 50.0  # without limits of our own it waits for 15 minutes; a lease lasts 60 s
