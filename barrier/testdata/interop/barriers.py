"""Kazoo's barriers, told what to do line by line; each line is answered by
one."""
import sys
import threading

from kazoo.client import KazooClient

zk = KazooClient(hosts=sys.argv[1], timeout=4)
zk.start()
barrier = both = step = None


class Step(threading.Thread):
    """A call in the background."""

    def __init__(self, call, *args):
        super().__init__(daemon=True)
        self.call, self.args, self.result = call, args, None
        self.start()

    def run(self):
        self.result = self.call(*self.args)


def enter():
    both.enter()
    return both.participating


for line in sys.stdin:
    word, *rest = line.split()
    answer = "ok"
    if word == "barrier":  # PATH
        barrier = zk.Barrier(rest[0])
    elif word == "set":
        barrier.create()
    elif word == "remove":
        barrier.remove()
    elif word == "wait":
        step = Step(barrier.wait, 60)
    elif word == "double":  # PATH N
        both = zk.DoubleBarrier(rest[0], int(rest[1]))
    elif word == "enter":
        step = Step(enter)
    elif word == "leave":
        step = Step(both.leave)
    elif word == "pending":  # whether the step goes on
        answer = str(step.is_alive()).lower()
    elif word == "result":  # of the step
        step.join(60)
        answer = str(step.result).lower()
    print(answer, flush=True)
zk.stop()
zk.close()
