# SPDX-License-Identifier: BSD-2-Clause
"""udev's helper on a machine of files: what it takes for a primary, and what for a name by MAC alone."""
import os
import socket
import struct
import subprocess
import tempfile
import unittest

HELPER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../packaging/udev/hitless-primary")
MAC = "02:00:00:00:00:01"


def own_cookie():
    with socket.socket(socket.AF_UNIX) as probe:
        return struct.unpack("=Q", probe.getsockopt(socket.SOL_SOCKET, 71, 8))[0]


class Helper(unittest.TestCase):
    def setUp(self):
        home = tempfile.TemporaryDirectory()
        self.addCleanup(home.cleanup)
        self.home = home.name
        self.env = {**os.environ, "HITLESS_SYSFS": f"{self.home}/sys", "HITLESS_STATE_DIR": f"{self.home}/run",
                    "HITLESS_ROOT": f"{self.home}/root"}

    def nic(self, name, index, mac=MAC, bus="", driver=""):
        path = f"{self.home}/sys/class/net/{name}"
        os.makedirs(path)
        for file, text in (("ifindex", index), ("address", mac)):
            self.write(f"{path}/{file}", f"{text}\n")
        for link, target in (("subsystem", bus), ("driver", driver)):
            if target:
                os.makedirs(f"{path}/device", exist_ok=True)
                os.symlink(f"/sys/{target}", f"{path}/device/{link}")

    def write(self, path, text):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def pair(self, cookie, index):
        os.makedirs(f"{self.home}/run/bpf/{cookie}-{index}")

    def says(self, *words):
        return subprocess.run(["sh", HELPER, *words], env=self.env, check=False).returncode == 0

    def test_a_twin_of_a_pairs_standby(self):
        self.nic("eth0", 2)
        self.nic("eth1", 3)
        self.nic("eth2", 4, "02:00:00:00:00:09")
        self.assertFalse(self.says("eth1"), "in no pair")
        self.pair(own_cookie(), 2)
        self.assertEqual([self.says(n) for n in ("eth0", "eth1", "eth2")], [False, True, False])

    def test_a_pair_of_a_container_with_the_same_ifindex(self):
        self.nic("eth0", 2)
        self.nic("eth1", 3)
        self.pair(own_cookie() + 4096, 2)
        self.pair(own_cookie() + 4096, 3)
        self.assertEqual([self.says(n) for n in ("eth0", "eth1")], [False, False], "it is the container's")
        self.pair(own_cookie(), 2)
        self.assertEqual([self.says(n) for n in ("eth0", "eth1")], [False, True])

    def test_a_passthrough_nic_of_a_paravirtual_one(self):
        self.nic("eth0", 2, bus="bus/virtio", driver="virtio_net")
        self.nic("eth1", 3, bus="bus/pci", driver="iavf")
        self.nic("ens192", 4, bus="bus/pci", driver="vmxnet3")
        self.assertEqual([self.says(n) for n in ("eth0", "eth1", "ens192")], [False, True, False])

    def test_names_by_mac_alone(self):
        self.nic("eth1", 3)
        for path, text, means_both in (
                ("etc/systemd/network/10-wan.link", f"[Match]\nMACAddress={MAC}\n[Link]\nName=wan0\n", True),
                ("run/systemd/network/10-netplan-wan.link", f"[Match]\nPermanentMACAddress={MAC}\n", True),
                ("etc/systemd/network/10-wan.link", f"[Match]\nMACAddress={MAC}\nDriver=virtio_net\n", False),
                ("etc/systemd/network/10-wan.link", f"[Match]\nMACAddress={MAC}\nPath=pci-0000:00:04.0\n", False),
                ("etc/systemd/network/10-wan.link", "[Match]\nMACAddress=02:00:00:00:00:09\n", False),
                ("run/udev/rules.d/99-netplan-wan.rules", f'SUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", '
                                                          f'ATTR{{address}}=="{MAC}", NAME="wan0"\n', True),
                ("etc/udev/rules.d/70-persistent-net.rules", f'SUBSYSTEM=="net", DRIVERS=="?*", '
                                                             f'ATTR{{address}}=="{MAC}", NAME="eth0"\n', True),
                ("etc/udev/rules.d/70-names.rules", f'DRIVERS=="virtio_net", ATTR{{address}}=="{MAC}", NAME="a"\n', False),
                ("etc/udev/rules.d/70-names.rules", f'ATTR{{address}}=="{MAC}", ENV{{ID_NET_NAME}}="a"\n', False),
                ("etc/udev/rules.d/70-names.rules", f'# ATTR{{address}}=="{MAC}", NAME="a"\n', False)):
            with self.subTest(path + ": " + text):
                self.write(f"{self.home}/root/{path}", text)
                self.assertEqual(self.says("--named-by-mac", "eth1"), means_both)
                os.unlink(f"{self.home}/root/{path}")


if __name__ == "__main__":
    unittest.main()
