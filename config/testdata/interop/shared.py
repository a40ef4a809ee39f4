"""Kazoo's DataWatch and Counter, told what to do line by line; each line is
answered by one."""
import sys
import time

from kazoo.client import KazooClient

zk = KazooClient(hosts=sys.argv[1], timeout=4)
zk.start()
seen = None


def see(data, stat):
    global seen
    seen = "-" if data is None else data.decode()


for line in sys.stdin:
    word, *rest = line.split()
    if word == "watch":  # PATH
        zk.DataWatch(rest[0], see)
        print("ok", flush=True)
    elif word == "sees":  # TEXT
        end = time.monotonic() + 60
        while seen != rest[0] and time.monotonic() < end:
            time.sleep(0.005)
        print(seen, flush=True)
    elif word == "set":  # PATH TEXT
        zk.ensure_path(rest[0])
        zk.set(rest[0], rest[1].encode())
        print("ok", flush=True)
    elif word == "count":  # PATH TIMES
        counter = zk.Counter(rest[0])
        for _ in range(int(rest[1])):
            counter += 1
        print("ok", flush=True)
zk.stop()
zk.close()
