"""Kazoo's Counter: answers each line "PATH TIMES" with the numbers it has come to."""
import sys

from kazoo.client import KazooClient

zk = KazooClient(hosts=sys.argv[1], timeout=4)
zk.start()
for line in sys.stdin:
    path, times = line.split()
    counter = zk.Counter(path)
    numbers = []
    for _ in range(int(times)):
        counter += 1
        numbers.append(str(counter.post_value))
    print(" ".join(numbers), flush=True)
zk.stop()
zk.close()
