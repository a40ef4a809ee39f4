"""Threads that do as they are told with Kazoo's locks. Each line is "THREAD COMMAND ARGUMENTS", and is answered with "THREAD ok", "THREAD no" when
patience has ended, or the error. Each thread has a client of its own."""
import logging
import queue
import sys
import threading

from kazoo.client import KazooClient
from kazoo.exceptions import LockTimeout

logging.basicConfig(level=logging.CRITICAL)
speech = threading.Lock()


def say(line):
    with speech:
        print(line, flush=True)


class Actor(threading.Thread):
    def __init__(self, name):
        super().__init__(name=name, daemon=True)
        self.commands = queue.Queue()
        self.held = []
        self.zk = KazooClient(hosts=sys.argv[1], timeout=10)
        self.zk.start(timeout=60)

    def obey(self, command, path=None, *args):
        kinds = {"lock": self.zk.Lock, "read": self.zk.ReadLock, "write": self.zk.WriteLock, "acquire": self.zk.Semaphore}
        if command == "return":
            self.held.pop().release()
            return True
        kw = {"max_leases": int(args[0])} if command == "acquire" else {}
        if command == "lockany":  # wait for contenders in Curator's layout as well
            command, kw = "lock", {"extra_lock_patterns": ["-lock-"]}
        lock = kinds[command](path, "kazoo", **kw)
        try:
            if not lock.acquire(timeout=float(args[-1]) / 1000):
                return False
        except LockTimeout:
            return False
        self.held.append(lock)
        return True

    def run(self):
        while True:
            words = self.commands.get()
            try:
                say(self.name + (" ok" if self.obey(*words) else " no"))
            except Exception as e:  # noqa: it is the answer
                say("%s %s: %s" % (self.name, type(e).__name__, e))


actors = {}
for line in sys.stdin:
    name, *words = line.split()
    if name not in actors:
        actors[name] = Actor(name)
        actors[name].start()
    actors[name].commands.put(words)
for actor in actors.values():
    actor.zk.stop()
