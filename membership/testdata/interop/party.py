"""Kazoo's Party and ShallowParty, told what to do line by line; each line is
answered by one."""
import sys
import time

from kazoo.client import KazooClient

zk = KazooClient(hosts=sys.argv[1], timeout=4)
zk.start()
party = None
for line in sys.stdin:
    word, *rest = line.split()
    if word == "join":  # KIND PATH ID
        kind = {"party": zk.Party, "shallow": zk.ShallowParty}[rest[0]]
        party = kind(rest[1], rest[2])
        party.join()
        print("ok", flush=True)
    elif word == "await":  # who the members shall be
        end = time.monotonic() + 60
        while True:
            seen = sorted(party)
            if seen == rest or time.monotonic() > end:
                break
            time.sleep(0.01)
        print(*seen, len(party), flush=True)
    elif word == "leave":
        party.leave()
        print("ok", flush=True)
zk.stop()
zk.close()
