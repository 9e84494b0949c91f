# SPDX-License-Identifier: BSD-2-Clause
"""The machine as one namespace sees it, to be compared before and after: links, qdiscs, filters,
programs at tcx hooks, mounts, sysctls."""
import ctypes
import json
import os
import platform
import struct
import subprocess
import time

from bed import libc, wait_until

SYS_BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
BPF_PROG_QUERY = 16
TCX_HOOKS = {"tcx ingress": 46, "tcx egress": 47}


def output(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout or done.stderr


def tcx_programs(ifindex, hook):
    """Program ids at a tcx hook; bpftool of Debian 12 does not know them. None before Linux 6.6."""
    ids = (ctypes.c_uint32 * 64)()
    attr = ctypes.create_string_buffer(struct.pack(
        "=IIIIQIIQQQQ", ifindex, TCX_HOOKS[hook], 0, 0, ctypes.addressof(ids), 64, 0, 0, 0, 0, 0))
    if libc.syscall(SYS_BPF, BPF_PROG_QUERY, attr, len(attr)) < 0:
        return None
    return list(ids[:struct.unpack_from("=I", attr, 24)[0]])


def sysctls():
    out = {}
    for folder, _, names in os.walk("/proc/sys/net"):
        for name in names:
            try:
                with open(f"{folder}/{name}", "rb") as file:
                    out[f"{folder}/{name}"] = file.read()
            except OSError:
                pass  # write-only
    return {k: v for k, v in out.items() if not k.endswith(("_count", "/entropy"))}


def settled_links():
    """Links once linkwatch has caught up, which may take it a second: both ends of a veth pair are
    up, or neither has carrier."""
    def look():
        links = json.loads(output("ip", "-d", "-j", "link"))
        ends = {link["ifname"]: link for link in links if "link" in link}
        def settled(end):
            carrier = all("UP" in one["flags"] for one in (end, ends.get(end["link"], end)))
            return "UP" not in end["flags"] or (end["operstate"] == "UP") == carrier
        return links if all(map(settled, ends.values())) else None
    return wait_until(look, "operational states settle")


def machine():
    links = settled_links()
    seen = {"links": links, "qdiscs": json.loads(output("tc", "-j", "qdisc")),
            "addresses": output("ip", "-o", "addr"), **sysctls()}
    for link in links:
        name = link["ifname"]
        for side in ("ingress", "egress"):
            seen[f"filters {name} {side}"] = output("tc", "filter", "show", "dev", name, side)
        for hook in TCX_HOOKS:
            seen[f"{hook} {name}"] = tcx_programs(link["ifindex"], hook)
    with open("/proc/self/mountinfo") as file:
        # Not the namespaces and bpffs of other tests, which go away by themselves.
        seen["mounts"] = [line for line in file
                          if " - nsfs " not in line and "/run/hitless-selftest-" not in line]
    return seen


def unchanged(case, before, but=(), seconds=30):
    """Asserts that the machine is as before, once operational states have followed."""
    def differences():
        after = machine()
        return {k: (before.get(k), after.get(k)) for k in before.keys() | after.keys()
                if k not in but and before.get(k) != after.get(k)}
    end = time.monotonic() + seconds
    while (found := differences()) and time.monotonic() < end:
        time.sleep(0.1)
    for what, (was, now) in found.items():
        case.assertEqual(was, now, what)


def objects_at(ifindexes):
    """The programs of ours at these devices' tcx hooks, and their maps: {("prog", 7), ("map", 9)}."""
    found = set()
    for index in ifindexes:
        for hook in TCX_HOOKS:
            for program in tcx_programs(index, hook) or []:
                found.add(("prog", program))
                info = json.loads(output("bpftool", "-j", "prog", "show", "id", str(program)))
                found |= {("map", m) for m in info.get("map_ids", [])}
    return found


def living(kind, name=None):
    """Ids of all objects of a kind on the machine, or of those with a name."""
    return {(kind, o["id"]) for o in json.loads(output("bpftool", "-j", kind, "list"))
            if name in (None, o.get("name"))}
