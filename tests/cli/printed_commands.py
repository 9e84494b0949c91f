# SPDX-License-Identifier: BSD-2-Clause
"""The commands that the sources print as a way out, and where each of them is run; for test_remedies.py."""
import glob
import os
import re

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
SOURCES = ("loader/**/*.cpp", "loader/**/*.hpp", "cli/**/*.cpp", "cli/**/*.hpp")
# Commands that are run by the product, not by people.
OWN = ("cli/commands/bugreport.cpp", "cli/demo/")
LITERALS = re.compile(r'"(?:[^"\\\n]|\\.)*"(?:\s*"(?:[^"\\\n]|\\.)*")*')
PROGRAMS = ("hitless|ip|tc|sysctl|modprobe|mount|umount|kill|prlimit|ulimit|systemctl|nmcli|networkctl|ethtool|ls|du|"
            "bridge|bpftool|apt|mkdir|nsenter|sudo|sed|netplan|udevadm|dhclient|ovs-vsctl")
COMMAND = re.compile(rf"(^|[`;:(] ?|&& |\{{\d?\}})({PROGRAMS}) [-a-z{{/$]|`({PROGRAMS})[ `]|`--datapath ")

IN_THE_WAY = ("another XDP program is there and this kernel, or that program, takes none beside it: attach the pair with "
              "`--datapath tc`, which leaves that program in force, or load that program by libxdp's dispatcher")
# What is run here, each by a test that calls mend() with it.
MENDED = {
    "`hitless attach {}` makes one", "`hitless detach {}` first", "`hitless detach {}`, and attach it anew",
    "`hitless detach --all` ends it, and gives back what is there",
    "`hitless switch {} {}`", "`{}ip link set {} address {}`", "`{}ip link set {} up`, then {} takes it back",
    "a controller of this version (process {} is of another: `kill {}`, then `hitless run`)",
    "`ip link set {} mtu {}`: {} refuses to carry longer frames", "`kill {}` ends it without touching the pairs",
    "`ulimit -n 1024` raises the limit", "a controller (`hitless run`; none runs now)", "ethtool -K {} gro on",
    "hitless convert {} --model {} --gap", "hitless detach {}", "hitless run", "hitless switch {} auto",
    "{}bpftool net attach {} id {} dev {}", ", or `hitless convert {} --model {} --gap{}`",
    "`tc qdisc del dev {} {}`, and make them on the device that takes its place; or use the model two",
    "bpftool prog pin id {0} /sys/fs/bpf/xdp-{0} && ip link set {1} xdpdrv off && "
    "ip link set {1} xdpgeneric pinned /sys/fs/bpf/xdp-{0}", "ip addr flush dev {}", "ip link del {}",
    "ip link set {} addrgenmode none", "ip link set {} up",
    "ip {} route del {}{}", "make them on {}, then `tc qdisc del dev {} {}`", "ip link set {} address {}", "ip link set {} allmulticast on",
    "ip link set {} mtu {}", "ip link set {} nomaster", "ip link set {} promisc {}", "ip link set {} txqueuelen {}",
    "it stays in force; `hitless detach {}` removes it, then attach again", "kill -CONT {}",
    "mend it, then: hitless run --check{}{}", "mount -o remount,rw $(findmnt -no TARGET -T {})",
    "prlimit --pid {} --nofile={}:{}", "sysctl -w net/ipv4/conf/{}/arp_ignore={}", "ulimit -n 1024",
    "the pair is incomplete: `hitless detach {}` removes it",
    "when it is back; or `hitless detach {}`", "when that is mended: `hitless attach {} --primary {} --model {}`",
    "{}: attached; no primary yet (`hitless run` takes it when it comes)\\n",
    "sed -i '/^\\\\[Match\\\\]/a {}' {}", "ip netns exec {} {}", "`kill {}`", "dhclient {}",
    "`ethtool -K OTHER-END tx off txvlan off`, then attach with --checksums-complete", "ethtool -K OTHER-END gro on",
    IN_THE_WAY,
    "`ulimit -n 1024 && hitless upgrade`", "as root: `hitless upgrade`",
    "when that is mended: `hitless upgrade`; or `hitless detach {}`, and attach it anew",
    "`ip link del {}`, convert, and make it again on the device that takes its place",
    "`ip link set {} nomaster`, convert, and make the device that takes its place a port",
    "{} had the port {}: `ip link set {} master {}`",
}
# These only show something; each is run, and what it shows is all that it promises.
SHOWN = {
    "`hitless bugreport` collects what may show why", "`hitless status {}` shows it", "`hitless status` lists the pairs", "`ip link` lists those of this network namespace",
    "`ip netns` lists those with a name", "hitless explain {}", "ls -ld {}", "make room: du -ax {} | sort -n | tail",
    "`hitless doctor` says what this kernel lacks", "`hitless doctor` says what this NIC can do",
    "`hitless status` names the pair and what mends it", "give {} the same qdisc (`tc qdisc show dev {}`)",
    "ip rule; ip -6 rule", "the pair was detached meanwhile: `hitless status` shows what there is",
    "the pair {} {}: it is detached, but the settings of its NICs were not given back; `ip -d link` and "
    "`sysctl net.ipv4.conf.NIC.arp_ignore` show them",
    "another filter may have the priority {}, which ours needs: `tc filter show dev {} ingress` shows it; give it another",
    "give it another; `tc filter show dev {} egress` shows it",
    "hitless: switch {}: still on the {} after {} s; vetoes: {}; `hitless status {}` shows more\\n",
    "bpftool prog show id {}", "{}tc filter show dev {} egress", "{}tc -s qdisc show dev {}",
}
HOST = "tests/cli/test_host.py"
LAB = "selftests/lab/scenarios/remedies.py"
VFS = "the lab's case vf_delivery types it, on an emulated igb"
UPGRADE = "selftests/upgrade_test.cpp"
HOOKS = "selftests/upgrade_hooks_test.cpp"
REFUSED = "selftests/upgrade_dies_test.cpp"
DISTRO = "selftests/distro/test_networkmanager.py"
# Needs hardware, another kernel or other packages: where it is run, or why it cannot be.
ELSEWHERE = {
    "could be paired with {}: `hitless attach {}`": LAB, "hitless attach {} --primary {}": LAB,
    "nobody asked; `hitless run` or `hitless attach ": LAB, "ethtool -K {} rxvlan off": LAB,
    "sysctl -w net.core.bpf_jit_harden=1": LAB,
    "hitless attach {} --primary NAME chooses one": "several passthrough NICs of one MAC; NAME is for people to choose",
    "modprobe -a sch_ingress cls_bpf": "kernels load them by themselves; where that is switched off",
    "it was detached; `hitless attach` makes the pair again": "needs a paravirtual NIC; the lab's attach is the same",
    "{}: stays of the model {}: `hitless convert {} --model {} --gap`": "tests/cli/test_reload.py",
    "nmcli device set {} managed no": DISTRO,
    "the controller holds it: `kill {}`, and it is gone": "tests/cli/test_lifetimes.py",
    "`hitless host status` lists them": HOST, "`ip link set {} master {} up`, or mend `primary`": HOST,
    "`ip link set {} vf {} mac {}` says more": VFS,
    'take it off (a VLAN: `ip link set {} vf {} vlan NUMBER`), or say bypass = \\"allow\\" for this guest':
        "the lab's igb is in no VLAN; NUMBER is for people to choose",
    "they are counted from 0, as `ip link show PF` does": VFS,
    "{}: {} has another MAC ({}) and is taken when a host says that it delivers there; else `ip link set {} address {}`":
        "selftests/host_address_test.cpp",
    "`systemctl start hitless-host`, or `hitless host run`": "tests/cli/test_host.py runs it by the second form",
    "`systemctl start hitless-host`, or `hitless host run`; then once more": "the same",
    '`ip link set {} master BRIDGE`, mend `standby`, or deliver by commands (delivery = \\"exec\\")':
        "BRIDGE is for people to choose; tests/host/bridge_delivery_test.cpp",
    "no daemon runs in this network namespace, so nothing is given or taken; `systemctl enable --now hitless-host`, or "
    "`hitless host run`": "the second form, in tests/cli/test_host.py, too",
    "{}: on the way; it waits for {}; `hitless host {} {} --wait` returns when it is there\\n":
        "tests/cli/test_host.py waits by it",
    "{}: the host delivered to the primary when it was last heard, and does not answer; what it sends there may be lost. "
    "See that its daemon runs there (`systemctl start hitless-host`), or free the guest by hand: `bridge fdb del {} dev "
    "PORT master`": "selftests/host_test.cpp; PORT is for people to choose",
    "`bridge vlan add dev {} vid VLAN`": "VLAN is for people to choose",
    "`bridge vlan add dev {} vid {}`": "tests/host/bridge_delivery_test.cpp, where bridges tell VLANs apart",
    "{} is called {} now; `ip link set {} name {}`, or mend `standby` of the guest at {}": "tests/host/host_test.cpp",
    "{}: the guest did not release its primary in {} ms and has it back; see whether it runs, then "
    "`hitless host take {}`": "tests/host/plugging_test.cpp",
    "go on in the mount namespace in which they are; where they are lost, `ip link set NIC xdp off` takes every XDP "
    "program off": UPGRADE,
    "hitless upgrade": "tests/cli/test_versions.py", "when there is room again: `hitless upgrade`": REFUSED,
    "it stays in force; `hitless upgrade` takes it over without losing a frame": UPGRADE, "kill {}": UPGRADE,
    "hitless: process {} is a controller of another version: it keeps no pair that is taken over; "
    "`systemctl restart hitless`, or `kill {}` and `hitless run`\\n": UPGRADE,
    "; `hitless upgrade` ends that first": HOOKS, "; `hitless upgrade` ends that": HOOKS,
    "`hitless upgrade` ends that, and takes the pair over": HOOKS,
    "`tc qdisc del dev {0} {1} && tc qdisc add dev {0} clsact`, then add its filters again": "kernels without tcx",
    "`tc qdisc del dev {} root`, and make it on the device that takes its place; or use the model two":
        "the filters' command above, with another word",
    "ethtool -K {} lro off": "selftests/lab/scenarios/lro.py",
    "modprobe -a sch_ingress cls_bpf, or boot Linux 6.6 or later": "a kernel with neither tcx nor modules to load",
    "sysctl -w net.core.bpf_jit_enable=1": "Debian's kernels have CONFIG_BPF_JIT_ALWAYS_ON, where it is always 1",
    "the kernel needs CONFIG_NET_CLS_BPF (modprobe cls_bpf)": "the kernel loads it by itself; without, there is none",
    "the kernel needs CONFIG_NET_SCH_INGRESS (modprobe sch_ingress)": "the same",
    "the kernel needs CONFIG_VETH (modprobe veth)": "the same",
    "ovs-vsctl del-port {}": "no Open vSwitch on the build machines; its manual",
    "have the host assign it (`ip link set PF vf N mac ...`) or trust the VF": "typed on the host, with its names",
    "boot Linux 6.1 or later (Debian 12: apt install linux-image-amd64)": "ends with a boot",
    "run as root: sudo hitless doctor": "the tests are root",
    "where it may be, outside a container: mkdir -p {0} && mount -t bpf hitless {0}": "typed outside a container",
    "systemctl restart hitless, or end it and start `hitless run` again":
        "selftests/distro/test_package.py, and test_doctor.py by the other way",
    "its MTU or an offload (LRO, hardware GRO) may be in the way: `ip link set {0} mtu 1500`, "
    "`ethtool -K {0} lro off`": "a driver that refuses by errno what it cannot: none is emulated",
}
# Sentences in which a command is named and none is asked for, and beginnings of commands.
WORDS = {
    "What is in the way; `hitless host status` says it in words", "as of `hitless host run`",
    "the guest did not leave its primary in time; `hitless explain` in the guest says why, if it still runs",
    "the guest is not heard any more; see whether it runs, and `hitless status` in it",
    "a word of `hitless run` in the guest", "the guest to send by its primary; `hitless explain` in it says more",
    "; a dead primary is only noticed by `hitless run`", "What is broken; `hitless status` says it in words",
    "`hitless run` hears of a lost primary before its driver stops it",
    "`hitless run` hears of a lost primary by link events, when its driver has stopped it",
    "`hitless run` hears of carrier loss and removal as they begin",
    "tracepoints or link events tell `hitless run` a little later", "tc carries the frames of {}: {}",
    "work in this network namespace, as `ip -n`", "the words after `hitless`, behind a --",
    "{}; `hitless run` does not start with it", "mount a bpffs on {}", "ip netns exec {} ", "nsenter --net=/proc/1/ns/net ",
}


def literals():
    found = {}
    for path in sorted(p for pattern in SOURCES for p in glob.glob(f"{ROOT}/{pattern}", recursive=True)):
        name = os.path.relpath(path, ROOT)
        if name.startswith(OWN):
            continue
        with open(path, encoding="utf-8") as file:
            text = re.sub(r"(?m)^\s*//.*$|^#include.*$", "", file.read())
        for match in LITERALS.finditer(text):
            joined = "".join(re.findall(r'"((?:[^"\\\n]|\\.)*)"', match.group()))
            found.setdefault(joined, name)
    return found


PRINTED = literals()
# What explain says of a pair that is well.
WELL = next(literal for literal in PRINTED if literal.startswith("  {} by the primary {}: nobody objects"))


def offers(literal):
    return COMMAND.search(literal)


def pattern_of(literal):
    text = literal.replace("\\n", "\n").replace("\\\\", "\\").replace('\\"', '"')
    return re.sub(r"\\\{\d?\\\}", "(.*?)", re.escape(text))


def command_of(literal, text):
    """What is to be typed, as it was printed."""
    match = re.fullmatch(pattern_of(literal), text) or re.search(pattern_of(literal) + r"(?=$|[\s`;,.])", text)
    if not match:
        raise AssertionError(f"'{literal}' was not printed: {text}")
    if "`" in literal:
        return re.search("`([^`]+)`", match.group()).group(1)
    command = re.sub(rf"^.*?: (?=({PROGRAMS}) )", "", match.group())
    there = re.search(r"ip netns exec \S+ (?=" + re.escape(command) + ")", text)
    return (there.group() if there else "") + command
