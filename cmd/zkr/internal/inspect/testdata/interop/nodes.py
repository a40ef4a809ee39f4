"""Makes nodes with each of Kazoo's recipes, answers "ready", and keeps them until its input ends."""
import logging
import os
import sys

from kazoo.client import KazooClient
from kazoo.recipe.barrier import DoubleBarrier
from kazoo.recipe.queue import LockingQueue

logging.basicConfig(level=logging.CRITICAL)
zk = KazooClient(hosts=sys.argv[1], timeout=30)
zk.start(timeout=60)
other = KazooClient(hosts=sys.argv[1], timeout=30)
other.start(timeout=60)

zk.Lock("/k/lock", "me").acquire()
zk.ReadLock("/k/rw", "me").acquire()
zk.Semaphore("/k/semaphore", "me", max_leases=2).acquire()
zk.Barrier("/k/barrier").create()
DoubleBarrier(zk, "/k/double", 1, "host-41").enter()
zk.Queue("/k/queue").put(b"x")
locking = LockingQueue(zk, "/k/locking")
locking.put(b"x")
locking.put(b"y")
locking.get()
counter = zk.Counter("/k/counter")
counter += 7
zk.Party("/k/party", "me").join()
zk.ShallowParty("/k/shallow", "me").join()
election = zk.Election("/k/election", "me")
election.lock.acquire()

for line in sys.stdin:
    print("ready", flush=True)
os._exit(0)
