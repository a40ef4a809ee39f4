"""Kazoo's queues at the same time: puts items into each, and takes items out of each and says which, until its input ends."""
import logging
import sys
import threading
import time

from kazoo.client import KazooClient

logging.basicConfig(level=logging.CRITICAL)
n, hosts = int(sys.argv[1]), sys.argv[2]
ended, lock = threading.Event(), threading.Lock()


def client():
    c = KazooClient(hosts=hosts, timeout=10)
    c.start(timeout=20)
    return c


def say(*words):
    with lock:
        print(*words, flush=True)


def plain(zk):
    queue = zk.Queue("/plain")
    while not ended.is_set():
        value = queue.get()
        if value is None:
            time.sleep(0.01)
        else:
            say("plain", value.decode())


def locking(zk):
    queue = zk.LockingQueue("/locking")
    count = 0
    while not ended.is_set():
        value = queue.get(timeout=0.2)
        if value is None:
            continue
        count += 1
        if count % 5 == 0:
            queue.release()  # and somebody takes it again
        elif queue.consume():
            say("locking", value.decode())
        else:
            say("lost", value.decode())


consumers = [threading.Thread(target=f, args=(client(),)) for f in (plain, locking)]
zk = client()
for c in consumers:
    c.start()
for i in range(n):
    zk.Queue("/plain").put(b"theirs%d" % i, 100 + i % 3)
    zk.LockingQueue("/locking").put(b"theirs%d" % i, 100 + i % 3)
zk.LockingQueue("/locking").put_all([b"theirs%d" % i for i in range(n, n + 5)])
say("put")
sys.stdin.read()
ended.set()
for c in consumers:
    c.join()
say("end")
