#!/usr/bin/env python3
"""A network switch in user space, for hosts in network namespaces of their own.

It makes one tun device a host, moves each into the host's namespace, and carries packets between them: late,
twice, out of order, or not at all. `tc netem` does this in the kernel, where the kernel has it; this needs no
more than /dev/net/tun, and can cut the network in any way.

    switch.py PREFIX HOSTS      makes the namespaces PREFIX1 … with 10.88.0.1 … and prints `ready`

It reads commands from its standard input, answers each with `ok`, and takes everything down when that ends:

    delay MIN MAX   each packet takes so many milliseconds
    loss PERCENT    so many packets are lost
    twice PERCENT   so many packets arrive twice
    ends lost       nobody hears that a connection was closed: what says so (FIN, RST) is lost
    ends pass       it is not
    cut 1,2 3,4     hosts reach only those of their own group
    heal            everybody reaches everybody
    end             the same as the end of the input
"""

import fcntl
import heapq
import os
import random
import selectors
import struct
import subprocess
import sys
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
TCP, FIN, RST = 6, 0x01, 0x04
ADDRESS = "10.88.0."


def sh(*words):
    subprocess.run(words, check=True)


def host(prefix, number):
    """A namespace with one device; the file through which its packets come and go."""
    name = f"{prefix}{number}"
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    sh("ip", "netns", "add", name)
    sh("ip", "link", "set", name, "netns", name)
    inside = ["ip", "-n", name]
    sh(*inside, "link", "set", "lo", "up")
    sh(*inside, "addr", "add", f"{ADDRESS}{number}/24", "dev", name)
    sh(*inside, "link", "set", name, "txqueuelen", "1000", "up")
    return tun


def is_end(packet):
    flags = 4 * (packet[0] & 0x0F) + 13
    return packet[9] == TCP and len(packet) > flags and packet[flags] & (FIN | RST) != 0


class Switch:
    def __init__(self, tuns):
        self.tuns = dict(enumerate(tuns, 1))
        self.delay, self.loss, self.twice, self.groups = (0, 0), 0, 0, None
        self.ends_are_lost = False
        self.under_way, self.count = [], 0

    def command(self, line):
        word, *rest = line.split()
        if word == "delay":
            self.delay = tuple(int(it) / 1000 for it in rest)
        elif word in ("loss", "twice"):
            setattr(self, word, int(rest[0]))
        elif word == "ends":
            self.ends_are_lost = {"lost": True, "pass": False}[rest[0]]
        elif word == "cut":
            groups = [[int(it) for it in group.split(",")] for group in rest]
            self.groups = {it: place for place, group in enumerate(groups) for it in group}
        elif word == "heal":
            self.groups = None
        else:
            raise SystemExit(f"unknown command: {line}")

    def take(self, packet):
        if packet[0] >> 4 != 4 or len(packet) < 20:
            return
        source, target = packet[15], packet[19]
        if target not in self.tuns or (self.ends_are_lost and is_end(packet)):
            return
        for _ in range(2 if random.randrange(100) < self.twice else 1):
            if random.randrange(100) >= self.loss:
                self.count += 1
                due = time.monotonic() + random.uniform(*self.delay)
                heapq.heappush(self.under_way, (due, self.count, source, target, packet))

    def deliver(self):
        """Delivers what is due; how long nothing more is."""
        while self.under_way:
            wait = self.under_way[0][0] - time.monotonic()
            if wait > 0:
                return wait
            _, _, source, target, packet = heapq.heappop(self.under_way)
            if self.groups and self.groups.get(source) != self.groups.get(target):
                continue
            try:
                os.write(self.tuns[target], packet)
            except OSError:
                pass  # A full queue loses packets, as queues do.
        return None


def main(prefix, hosts):
    names = [f"{prefix}{number}" for number in range(1, hosts + 1)]
    try:
        switch = Switch([host(prefix, number) for number in range(1, hosts + 1)])
        selector = selectors.DefaultSelector()
        for tun in switch.tuns.values():
            selector.register(tun, selectors.EVENT_READ)
        selector.register(sys.stdin, selectors.EVENT_READ)
        print("ready", flush=True)
        while True:
            for key, _ in selector.select(switch.deliver()):
                if key.fileobj is sys.stdin:
                    line = sys.stdin.readline()
                    if line in ("", "end\n"):
                        return
                    switch.command(line)
                    print("ok", flush=True)
                    continue
                try:
                    while True:
                        switch.take(os.read(key.fd, 65536))
                except BlockingIOError:
                    pass
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
