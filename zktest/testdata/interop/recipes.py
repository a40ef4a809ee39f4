"""Kazoo's client and recipes on one server. Says what it sees; any surprise is an exception."""
import logging
import sys
import threading

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import BadVersionError, NoAuthError, NodeExistsError, NoNodeError, NotEmptyError, RolledBackError
from kazoo.security import make_digest_acl

logging.basicConfig(level=logging.CRITICAL)
HOSTS = sys.argv[1]
WAIT = 90


def client(**kw):
    c = KazooClient(hosts=HOSTS, timeout=30, **kw)
    c.start(timeout=WAIT)
    return c


def refused(error, f, *args, **kw):
    try:
        f(*args, **kw)
    except error as e:
        return type(e).__name__
    raise AssertionError("not refused: %r" % (args,))


zk, other = client(), client()

print("nodes", zk.create("/k", b"1"), zk.get("/k")[0], zk.exists("/nope"))
print("nodes", zk.create("/k/s-", b"", sequence=True), zk.create("/k/s-", b"", sequence=True), sorted(zk.get_children("/k")))
print("nodes", zk.create("/k/e", ephemeral=True), zk.exists("/k/e").ephemeralOwner == zk.client_id[0])
path, stat = zk.create("/k/two", b"xy", include_data=True)
print("nodes", path, stat.version, stat.data_length)
print("nodes", zk.set("/k", b"2").version, zk.ensure_path("/k/deep/er"), zk.get_children("/k/deep", include_data=True)[1].numChildren)
print("errors", refused(NoNodeError, zk.get, "/nope"), refused(NodeExistsError, zk.create, "/k"), refused(NotEmptyError, zk.delete, "/k"),
      refused(BadVersionError, zk.set, "/k", b"", 7))

t = zk.transaction()
t.create("/k/t", b"a")
t.set_data("/k/t", b"b")
t.check("/k/t", 1)
print("transaction", [type(r).__name__ for r in t.commit()], zk.get("/k/t")[0])
t = zk.transaction()
t.create("/k/u")
t.delete("/k/nope")
t.delete("/k/t")
print("transaction", [type(r).__name__ for r in t.commit()], zk.exists("/k/u"))

seen, changed = [], threading.Event()


@zk.DataWatch("/k/w")
def data(value, stat):
    seen.append(value)
    changed.set()


for value in (b"1", b"2", None):
    changed.clear()
    if value is None:
        other.delete("/k/w")
    elif value == b"1":
        other.create("/k/w", value)
    else:
        other.set("/k/w", value)
    assert changed.wait(WAIT)
print("watch", seen)

names, listed = [], threading.Semaphore(0)


@zk.ChildrenWatch("/k/deep")
def children(list):
    names.append(sorted(list))
    listed.release()


assert listed.acquire(timeout=WAIT)
for name in ("a", "b"):
    other.create("/k/deep/" + name)
    assert listed.acquire(timeout=WAIT)
print("children", names)

zk.add_auth("digest", "joe:secret")
zk.create("/k/private", b"x", acl=[make_digest_acl("joe", "secret", all=True)])
print("acl", zk.get("/k/private")[0], refused(NoAuthError, other.get, "/k/private"),
      [a.id.scheme for a in zk.get_acls("/k/private")[0]])
other.add_auth("digest", "joe:secret")
print("acl", other.get("/k/private")[0])

order = []
lock, rival = zk.Lock("/k/lock", "one"), other.Lock("/k/lock", "two")
lock.acquire(timeout=WAIT)
print("lock", rival.acquire(blocking=False), lock.contenders())
waiter = threading.Thread(target=lambda: (rival.acquire(timeout=WAIT), order.append("two"), rival.release()))
waiter.start()
while len(lock.contenders()) < 2:
    pass
order.append("one")
lock.release()
waiter.join(WAIT)
print("lock", order)

led = threading.Event()
election = zk.Election("/k/election", "me")
election.run(led.set)
print("election", led.is_set())
sem, more = zk.Semaphore("/k/sem", max_leases=1), other.Semaphore("/k/sem", max_leases=1)
print("semaphore", sem.acquire(timeout=WAIT), more.acquire(blocking=False))
sem.release()
print("semaphore", more.acquire(timeout=WAIT))
barrier = zk.Barrier("/k/barrier")
barrier.create()
print("barrier", barrier.wait(0.1))
other.Barrier("/k/barrier").remove()
print("barrier", barrier.wait(WAIT))
both = [c.DoubleBarrier("/k/double", 2) for c in (zk, other)]
threads = [threading.Thread(target=lambda b=b: (b.enter(), b.leave())) for b in both]
[x.start() for x in threads]
[x.join(WAIT) for x in threads]
print("double barrier", [x.is_alive() for x in threads])
queue = zk.Queue("/k/queue")
queue.put(b"low", 200), queue.put(b"high", 10)
print("queue", len(queue), other.Queue("/k/queue").get(), queue.get(), queue.get())
locking = zk.LockingQueue("/k/locking")
locking.put_all([b"a", b"b"])
print("locking queue", locking.get(WAIT), locking.consume(), locking.get(WAIT), locking.consume())
count = zk.Counter("/k/count")
count += 3
count -= 1
print("counter", other.Counter("/k/count").value)
party = zk.Party("/k/party", "p")
party.join()
print("party", list(other.Party("/k/party")), len(party))

states, back = [], threading.Event()


def listen(state):
    states.append(state)
    if state == KazooState.CONNECTED:
        back.set()


zk.add_listener(listen)
session = zk.client_id[0]
zk._connection._socket.shutdown(2)
assert back.wait(WAIT)
print("reconnect", states, zk.client_id[0] == session, zk.exists("/k/e") is not None)

other.delete("/k/election", recursive=True)
print("server", zk.command(b"ruok"), [s for s in zk.command(b"srvr").splitlines() if s.startswith("Mode")], zk.server_version()[:2] >= (3, 8))
zk.stop()
zk.close()
print("ephemerals", other.exists("/k/e"))
other.delete("/k", recursive=True)
other.stop()
print("end")
