# SPDX-License-Identifier: BSD-2-Clause
"""Downloads kernels, QEMU and the guest's tools with apt, and unpacks them into the cache.

Nothing is installed: apt works on a state directory of its own inside the cache (so the machine's
sources and package lists stay as they are) and `dpkg -x` unpacks what it downloads.
"""
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import cache
from .cache import LabError

MIRROR = os.environ.get("HITLESS_MIRROR", "http://deb.debian.org")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
STABLE, BACKPORTS = "bookworm", "bookworm-backports"


@dataclass(frozen=True)
class Bundle:
    """One directory of the cache. `kernel` names an image by its version; else `packages` are
    unpacked with everything they depend on, the C library included."""
    name: str
    release: str
    packages: tuple[str, ...] = ()
    kernel: str = ""

    @property
    def path(self) -> Path:
        return cache.root() / self.name

    @property
    def present(self) -> bool:
        return (self.path / "PACKAGES").exists()


GUEST_TOOLS = ("busybox-static", "dash", "iproute2", "ethtool", "bpftool", "tcpdump", "kmod",
               "libteam-utils", "iperf3", "zstd")
BUNDLES = {b.name: b for b in (
    Bundle("guest", STABLE, GUEST_TOOLS),
    Bundle("qemu-7", STABLE, ("qemu-system-x86",)),
    Bundle("qemu-10", BACKPORTS, ("qemu-system-x86",)),
    Bundle("kernel-6.1", STABLE, kernel="6.1."),
    Bundle("kernel-6.12", BACKPORTS, kernel="6.12."),
)}


def fetch(names=BUNDLES, say=print) -> list[str]:
    """Makes the named bundles present; returns the names of those that could not be had."""
    missing = []
    with cache.locked("fetch"):
        wanted = [BUNDLES[n] for n in names if not BUNDLES[n].present]
        if not wanted:
            return missing
        apt = Apt(say)
        for bundle in wanted:
            if bundle.release == BACKPORTS and not apt.backports:
                missing.append(bundle.name)
                continue
            say(f"fetching {bundle.name} from {bundle.release}")
            debs = apt.kernel(bundle) if bundle.kernel else apt.closure(bundle)
            with cache.publish(bundle.path) as work:
                for deb in debs:
                    subprocess.run(["dpkg-deb", "-x", deb, work], check=True)
                (work / "PACKAGES").write_text("".join(f"{d.name}\n" for d in debs))
        apt.clean()
    if missing:
        say(f"{BACKPORTS} is unreachable at {MIRROR}: doing without {', '.join(missing)}")
    return missing


class Apt:
    """apt-get with sources, lists and archives of its own, as if nothing were installed."""

    def __init__(self, say):
        self.say = say
        self.home = cache.root() / "apt"
        for sub in ("lists/partial", "archives/partial", "none/partial"):
            (self.home / sub).mkdir(parents=True, exist_ok=True)
        (self.home / "status").touch()
        # `Dir` settings are read from a file named by APT_CONFIG, which apt reads after the
        # machine's own apt.conf: a proxy configured there still counts.
        (self.home / "apt.conf").write_text(
            f'Dir::Etc::sourcelist "{self.home}/sources.list";\n'
            f'Dir::Etc::sourceparts "-";\nDir::Etc::preferencesparts "-";\n'
            f'Dir::State "{self.home}";\nDir::State::status "{self.home}/status";\n'
            f'Dir::Cache "{self.home}";\nAPT::Sandbox::User "root";\n'
            f'APT::Architecture "amd64";\nAcquire::Languages "none";\nAcquire::Retries "3";\n')
        self.backports = self._update(with_backports=True)
        if not self.backports and not self._update(with_backports=False):
            raise LabError(f"no Debian package lists from {MIRROR}: is the network up? "
                           "(HITLESS_MIRROR names another mirror)")

    def _update(self, with_backports: bool) -> bool:
        suites = [("debian", STABLE), ("debian-security", f"{STABLE}-security")]
        if with_backports:
            suites.append(("debian", BACKPORTS))
        signed = f"[signed-by={KEYRING}] " if os.path.exists(KEYRING) else ""
        (self.home / "sources.list").write_text(
            "".join(f"deb {signed}{MIRROR}/{archive} {suite} main\n" for archive, suite in suites))
        return self._run("apt-get", "update", "-qq", "--error-on=any").returncode == 0

    def _run(self, *argv: str, cwd=None) -> subprocess.CompletedProcess:
        environment = {**os.environ, "APT_CONFIG": str(self.home / "apt.conf"), "LC_ALL": "C"}
        return subprocess.run(argv, cwd=cwd, env=environment, text=True, capture_output=True)

    def _checked(self, *argv: str, cwd=None) -> str:
        done = self._run(*argv, cwd=cwd)
        if done.returncode:
            raise LabError(f"{' '.join(argv)}: {done.stderr.strip()}")
        return done.stdout

    def clean(self) -> None:
        """What was unpacked is no longer needed as an archive."""
        for deb in (self.home / "archives").glob("*.deb"):
            deb.unlink()

    def closure(self, bundle: Bundle) -> list[Path]:
        """The packages and all they depend on, downloaded."""
        argv = ("apt-get", "install", "-qq", "-y", "--no-install-recommends", "-t", bundle.release,
                *bundle.packages)
        # An archive directory that stays empty: with the real one apt would not name what it has
        # already. Each line: 'uri' file size hash
        uris = self._checked(*argv, "--print-uris", "-o", f"Dir::Cache::archives={self.home}/none")
        lines = [line.split() for line in uris.splitlines()]
        self.say(f"  {len(lines)} packages, {sum(int(line[2]) for line in lines) >> 20} MiB")
        self._checked(*argv, "--download-only")
        return [self.home / "archives" / line[1] for line in lines]

    def kernel(self, bundle: Bundle) -> list[Path]:
        """The image package that the metapackage of this version points to."""
        for stanza in self._checked("apt-cache", "show", "linux-image-amd64").split("\n\n"):
            version = re.search(r"^Version: (\S+)", stanza, re.M)
            image = re.search(r"^Depends:.*?(linux-image-[0-9]\S+)", stanza, re.M)
            if version and image and version[1].startswith(bundle.kernel):
                break
        else:
            raise LabError(f"no linux-image-amd64 {bundle.kernel}* in {bundle.release}")
        self.say(f"  {image[1]} {version[1]}")
        archives = self.home / "archives"
        self._checked("apt-get", "download", "-qq", image[1], cwd=archives)
        return [max(archives.glob(f"{image[1]}_*.deb"), key=lambda deb: deb.stat().st_mtime)]
