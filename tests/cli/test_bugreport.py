# SPDX-License-Identifier: BSD-2-Clause
"""`hitless bugreport`: all in one archive, no address in it unless asked for."""
import io
import json
import os
import shutil
import stat
import subprocess
import tarfile
import tempfile
import unittest

from bed import HITLESS, MAC, NetCase, sh
from test_privilege import NOBODY

PARTS = {"summary.txt", "status.json", "doctor.json", "events.json", "links.json", "addresses.json"}
ADDRESSES = ["192.0.2.77", "2001:db8::77"]


class Bugreport(NetCase):
    def setUp(self):
        super().setUp()
        for address in ADDRESSES:
            sh(f"ip addr add {address}/32 dev lo" if "." in address else
               f"sysctl -qw net.ipv6.conf.lo.disable_ipv6=0 && ip addr add {address}/128 dev lo")
        self.attach()
        self.file = f"{self.state}/report.tar"

    def report(self, *args, code=0, **options):
        self.expect(code, "bugreport", "-o", self.file, *args, **options)
        with tarfile.open(self.file) as tar:
            return {os.path.basename(m.name): tar.extractfile(m).read().decode() for m in tar.getmembers()}

    def test_holds_the_parts(self):
        parts = self.report()
        self.assertLessEqual(PARTS, parts.keys())
        self.assertEqual(json.loads(parts["status.json"])["pairs"][0]["name"], "sby")
        self.assertTrue(json.loads(parts["doctor.json"])["findings"])
        self.assertEqual(stat.S_IMODE(os.stat(self.file).st_mode), 0o600)

    def test_addresses_have_names_and_one_address_has_one(self):
        parts = self.report()
        for name, text in parts.items():
            for address in (MAC, *ADDRESSES):
                self.assertNotIn(address, text, name)
        pair = json.loads(parts["status.json"])["pairs"][0]
        self.assertRegex(pair["primary"]["mac"], r"^mac-\d+$")
        self.assertEqual(pair["primary"]["mac"], pair["standby"]["mac"])
        links = {link["ifname"]: link for link in json.loads(parts["links.json"])}
        self.assertEqual(links["sby"]["address"], pair["standby"]["mac"])
        self.assertNotEqual(links["sby_far"]["address"], links["sby"]["address"])

    def test_a_mac_in_a_name_is_one_too(self):
        """udev's names, in full and cut off, and twelve digits without anything between them."""
        digits = "a2b4c6d8e0f2"
        with_colons = ":".join(digits[i:i + 2] for i in range(0, 12, 2))
        sh(f"ip link set sby_far address {with_colons} && ip link property add dev sby altname enx{digits} && "
           f"ip link property add dev pri altname {digits} && ip link add fo-enx{digits[:9]} type veth peer name maxface")
        parts = self.report()
        for name, text in parts.items():
            for part in (digits, digits[:9], with_colons):
                self.assertNotIn(part, text, name)
        links = {link["ifname"]: link for link in json.loads(parts["links.json"])}
        mac = links["sby_far"]["address"]
        self.assertEqual((links["sby"]["altnames"], links["pri"]["altnames"]), ([f"enx{mac}"], [mac]))
        self.assertIn("maxface", links, "a word like any other")

    def test_the_kernels_log_without_its_command_line(self):
        log = """[    0.000000] kernel: Linux version 6.12
[    0.000000] kernel: Command line: BOOT_IMAGE=/vmlinuz root=/dev/vda1 secret=one
[    0.010000] kernel: Kernel command line: BOOT_IMAGE=/vmlinuz secret=two
[    0.010001] kernel: Unknown kernel command line parameters "secret=three", will be passed to user space.
[    1.000000] kernel: Run /init as init process
[    1.000001] kernel:   with arguments:
[    1.000002] kernel:     /init
[    1.000003] kernel:     secret
[    1.000004] kernel:   with environment:
[    1.000005] kernel:     HOME=/
[    1.000006] kernel:     secret=four
[    2.000000] kernel: virtio_net virtio0 eth0: renamed
[    2.500000] systemd[1]: Hostname set to <secret>.
"""
        os.mkdir(f"{self.state}/bin")
        with open(f"{self.state}/bin/journalctl", "w") as file:
            file.write(f"#!/bin/sh\ncat <<'END'\n{log}END\n")
        os.chmod(f"{self.state}/bin/journalctl", 0o755)
        self.env["PATH"] = f"{self.state}/bin:{os.environ['PATH']}"
        kept = self.report()["kernel-log.txt"]
        self.assertNotIn("secret", kept)
        self.assertNotIn("BOOT_IMAGE", kept)
        for line in ("Linux version 6.12", "Run /init as init process", "eth0: renamed"):
            self.assertIn(line, kept)

    def test_times_and_versions_are_no_addresses(self):
        self.expect(0, "switch", "sby", "standby")
        parts = self.report()
        self.assertIn(os.uname().release, parts["summary.txt"])
        self.assertEqual(json.loads(parts["events.json"])["events"][-1]["to"], "standby")

    def test_addresses_are_kept_when_asked_for(self):
        parts = self.report("--keep-addresses")
        self.assertEqual(json.loads(parts["status.json"])["pairs"][0]["primary"]["mac"], MAC)
        for address in ADDRESSES:
            self.assertIn(address, parts["addresses.json"])

    def test_configuration_is_in_it_and_other_files_are_not(self):
        os.makedirs(f"{self.state}/etc/hitless.toml.d")
        for name in ("hitless.toml", "hitless.toml.d/10-site.toml", "key.pem"):
            with open(f"{self.state}/etc/{name}", "w") as file:
                file.write(f"# {name}\n")
        parts = self.report("--config", f"{self.state}/etc")
        self.assertEqual(parts["hitless.toml"], "# hitless.toml\n")
        self.assertIn("10-site.toml", parts)
        self.assertNotIn("key.pem", parts)

    def test_never_writes_over_a_file(self):
        with open(self.file, "w") as file:
            file.write("mine")
        self.expect(1, "bugreport", "-o", self.file, says=["File exists", "--output"])
        with open(self.file) as file:
            self.assertEqual(file.read(), "mine")

    def test_to_standard_output(self):
        done = subprocess.run([HITLESS, "bugreport", "-o", "-"], env=self.env, capture_output=True, check=True)
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
            self.assertIn("status.json", [os.path.basename(name) for name in tar.getnames()])

    def test_another_user_gets_one_that_says_what_was_refused(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        os.chmod(folder, 0o777)
        self.binary = f"{folder}/hitless"
        sh(f"install -m 755 {HITLESS} {self.binary}")
        self.file = f"{folder}/report.tar"
        self.assertIn("error", json.loads(self.report(prefix=NOBODY)["status.json"]))


if __name__ == "__main__":
    unittest.main()
