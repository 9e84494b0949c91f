# SPDX-License-Identifier: BSD-2-Clause
"""udev and files that name NICs by their MAC alone: the standby gets the name, the primary one of its own and the mark."""
import os

from bed import HERE, MAC, DistroCase, shell_quote, wait_until

UDEV = f"{HERE}/../../packaging/udev"
LINK = {"/etc/systemd/network/10-wan.link": f"[Match]\nMACAddress={MAC}\n[Link]\nName=wan0\n"}
# As netplan writes it for `set-name`.
NETPLAN = {"/run/systemd/network/10-netplan-wan.link": f"[Match]\nPermanentMACAddress={MAC}\n[Link]\nName=wan0\n",
           "/etc/udev/rules.d/99-netplan-wan.rules": 'SUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", '
                                                     f'ATTR{{address}}=="{MAC}", NAME="wan0"\n'}
# veth has no driver in sysfs, which "?*" wants.
NETPLAN["/etc/udev/rules.d/99-netplan-wan.rules"] = NETPLAN["/etc/udev/rules.d/99-netplan-wan.rules"].replace(
    'DRIVERS=="?*", ', "")
PERSISTENT = {"/etc/udev/rules.d/70-persistent-net.rules": f'SUBSYSTEM=="net", ACTION=="add", '
                                                           f'ATTR{{address}}=="{MAC}", NAME="wan0"\n'}


def file(name):
    with open(f"{UDEV}/{name}", encoding="utf-8") as text:
        return text.read()


class NamesCase(DistroCase):
    """A pair as udev's helper sees it, without the product: the test is of packaging/udev."""
    ours = {"/usr/lib/udev/rules.d/70-hitless.rules": file("70-hitless.rules"),
            "/usr/lib/udev/hitless-primary": file("hitless-primary"),
            "/usr/lib/systemd/network/00-hitless-primary.link": file("00-hitless-primary.link")}

    @classmethod
    def with_files(cls, files):
        return {"package": False, "nics": ("eth0",), "files": {**files, **cls.ours}}

    def plugged(self):
        self.guest.run("chmod 755 /usr/lib/udev/hitless-primary && udevadm control --reload && udevadm settle")
        wait_until(lambda: "wan0" in self.names(), "the standby has the name")
        cookie = ("import socket, struct; print(struct.unpack('=Q', socket.socket(socket.AF_UNIX)"
                  ".getsockopt(socket.SOL_SOCKET, 71, 8))[0])")
        self.guest.run("mkdir -p /run/hitless/bpf/$(python3 -c " + shell_quote(cookie) +
                       ")-$(cat /sys/class/net/wan0/ifindex)")
        self.guest.add_nic("eth1")
        wait_until(lambda: len(self.names()) == 2, "it is plugged")
        self.guest.run("udevadm settle")
        (primary,) = self.names() - {"wan0"}
        return primary, self.guest.run(f"udevadm info /sys/class/net/{primary}")

    def names(self):
        return set(os.path.basename(p) for p in self.guest.run("ls -d /sys/class/net/*").split()) - {"lo"}


class Without(NamesCase):
    """The control: the second NIC of the MAC is refused the name, and its properties are lost."""
    ours = {}
    options = {"package": False, "nics": ("eth0",), "files": {
        **LINK, "/usr/lib/udev/rules.d/70-hitless.rules":
            'SUBSYSTEM=="net", ACTION=="add", KERNEL=="eth1", ENV{HITLESS_PRIMARY}="1"\n',
        "/usr/lib/udev/hitless-primary": ""}}

    def test_the_mark_is_lost(self):
        _, told = self.plugged()
        self.assertNotIn("HITLESS_PRIMARY=1", told)


class With:
    def test_the_primary_has_a_name_of_its_own_and_the_mark(self):
        primary, told = self.plugged()
        self.assertEqual(primary, "eth1", "as the kernel called it: a veth has neither slot nor path")
        for what in ("HITLESS_PRIMARY=1", "NM_UNMANAGED=1", "HITLESS_OWN_NAME=1"):
            self.assertIn(what, told)


class ByLink(With, NamesCase):
    options = NamesCase.with_files(LINK)


class ByNetplan(With, NamesCase):
    options = NamesCase.with_files(NETPLAN)


class ByRule(With, NamesCase):
    options = NamesCase.with_files(PERSISTENT)


class NamedByPath(NamesCase):
    """A file that tells the NICs apart is the user's, and in force."""
    options = NamesCase.with_files({
        "/etc/systemd/network/10-wan.link": f"[Match]\nMACAddress={MAC}\nOriginalName=eth0\n[Link]\nName=wan0\n",
        "/etc/systemd/network/11-lan.link": "[Match]\nOriginalName=eth1\n[Link]\nName=fast0\n"})

    def test_it_stays_in_force(self):
        primary, told = self.plugged()
        self.assertEqual(primary, "fast0")
        self.assertIn("HITLESS_PRIMARY=1", told)
        self.assertNotIn("HITLESS_OWN_NAME", told)
