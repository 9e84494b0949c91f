# SPDX-License-Identifier: BSD-2-Clause
"""Debian's cloud-init and a twin: what its own code finds, before and after a hot-add, and its module."""
import json

from bed import ADDRESS, MAC, DistroCase, shell_quote, wait_until

BY_MAC = """
import json
from cloudinit import net
try:
    print(json.dumps(net.get_interfaces_by_mac()))
except RuntimeError as error:
    print(json.dumps(str(error)))
"""
SEED = {"/etc/cloud/cloud-init.disabled": None,
        "/etc/cloud/cloud.cfg.d/99-test.cfg": "datasource_list: [NoCloud]\n",
        "/etc/cloud/ds-identify.cfg": "policy: enabled\n",
        "/var/lib/cloud/seed/nocloud/meta-data": "instance-id: test\n",
        "/var/lib/cloud/seed/nocloud/user-data": "#cloud-config\nlocale: false\n",
        "/var/lib/cloud/seed/nocloud/network-config":
            f"version: 2\nethernets: {{eth0: {{match: {{macaddress: '{MAC}'}}, set-name: eth0, dhcp4: true}}}}\n"}


def by_mac(guest):
    return json.loads(guest.run(f"python3 -c {shell_quote(BY_MAC)}"))


class Twins(DistroCase):
    """Model two leaves two NICs of one MAC in sight: stock cloud-init refuses them, with hitless and without.
    docs/operating.md says what to do."""

    def test_1_two_visible_twins_are_refused_in_so_many_words(self):
        self.wait_paired()
        self.assertIn("duplicate mac found", by_mac(self.guest))

    def test_2_a_primary_in_another_namespace_is_not_seen_before_nor_after_a_hot_add(self):
        """What the kernel guarantees to the models that hide the primary."""
        self.guest.run("ip netns add hidden && ip link set eth1 netns hidden")
        self.assertEqual(by_mac(self.guest).get(MAC), "eth0")
        self.guest.run("ip netns del hidden")
        self.guest.add_nic("eth1")
        self.assertIn("duplicate mac found", by_mac(self.guest))
        self.guest.run("ip netns add hidden && ip link set eth1 netns hidden")
        self.assertEqual(by_mac(self.guest).get(MAC), "eth0")


class Boot(DistroCase):
    """A whole boot by cloud-init, with a primary that is plugged afterwards."""
    options = {"managers": ("networking.service",), "nics": ("eth0",),
               "files": {**SEED, "/etc/network/interfaces": "source /etc/network/interfaces.d/*\n"}}

    def test_boots_and_leaves_a_primary_that_comes_later_alone(self):
        wait_until(lambda: self.guest.run("ls /run/cloud-init/result.json", check=False), "cloud-init is done", 60)
        self.assertNotIn("duplicate mac", self.guest.run("cat /var/log/cloud-init.log"))
        wait_until(lambda: self.guest.addresses("eth0") == [ADDRESS], "eth0 has its lease")
        self.guest.add_nic("eth1")
        self.wait_paired()
        self.assertEqual(self.guest.addresses("eth1"), [])

    def test_the_controller_was_there_first(self):
        order = self.guest.run("systemctl show -P After cloud-init-local.service")
        self.assertIn("hitless.service", order)


class Module(DistroCase):
    """cc_hitless, run by cloud-init itself."""
    options = {"files": {"/etc/hitless/hitless.toml": None, "/etc/default/hitless": None}}

    def single(self, text, check=True):
        self.guest.run(f"rm -f /etc/cloud/cloud-init.disabled; printf '%s' {shell_quote(text)} > /root/cfg")
        return self.guest.run("cloud-init --file /root/cfg single --name hitless --frequency always 2>&1; "
                              "cat /var/log/cloud-init.log", check)

    def test_1_without_a_word_it_does_nothing(self):
        self.assertIn("nothing to do", self.single("#cloud-config\n{}\n"))
        self.assertEqual(self.guest.status(), [])

    def test_2_what_it_does_not_know_it_refuses(self):
        log = self.single('#cloud-config\nhitless: {"pears": []}\n', check=False)
        self.assertIn("pears", log)
        self.assertEqual(self.guest.status(), [])

    def test_3_it_pairs_and_says_so(self):
        log = self.single('#cloud-config\nhitless: {"hold_down_ms": 300, "pairs": [{"standby": "eth0", "primary": "mac"}]}\n')
        pair = self.wait_paired()
        self.assertEqual(pair["hold_down_s"], 0.3)
        self.assertIn("eth0 is on its", log)

    def test_4_a_second_run_changes_nothing(self):
        before = self.guest.run("systemctl show -P MainPID hitless.service")
        self.test_3_it_pairs_and_says_so()
        self.assertEqual(self.guest.run("systemctl show -P MainPID hitless.service"), before)

    def test_5_disabled_it_ends_the_service_and_no_pair(self):
        self.single("#cloud-config\nhitless: {enabled: false}\n")
        self.assertEqual(self.guest.run("systemctl is-active hitless.service", check=False).strip(), "inactive")
        self.assertEqual(len(self.guest.status()), 1)
