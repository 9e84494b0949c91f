# SPDX-License-Identifier: BSD-2-Clause
"""building.py [RUNS]: how long a build takes of what is committed, in a clean clone with an empty compiler cache:
seconds on the clock, and of CPU time, which does not depend on what else the machine does. Debian's packages are
there already. Written by `scripts/bench build`."""
import os
import resource
import statistics
import subprocess
import sys
import tempfile

TOUCHED = "loader/engine/controller/controller.cpp"


def run(command, tree, env):
    """(seconds, CPU seconds) of one command; what it says is shown only if it fails."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), os.times().elapsed
    done = subprocess.run(command, cwd=tree, env=env, shell=True, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{command}: {done.stdout}{done.stderr}")
    return (os.times().elapsed - began, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def once(source):
    """Every step in one clone, in the order in which a newcomer takes them. Whether the demo's figures hold is no
    question here: a busy machine shows its table too."""
    with tempfile.TemporaryDirectory(prefix="hitless-building-") as work:
        tree, env = f"{work}/hitless", {**os.environ, "CCACHE_DIR": f"{work}/ccache"}
        run(f"git clone -q {source} {tree}", work, env)
        touched = f"echo '// touched' >> {TOUCHED} && "
        return {
            "scripts/build: the command, released": run("scripts/build", tree, env),
            "the demo's table": run("build/hitless demo | grep detach", tree, env),
            f"again after a change of {TOUCHED}": run(touched + "scripts/build", tree, env),
            "the shared library, optimised as a whole": run("cmake --build --preset release --target hitless_shared",
                                                            tree, env),
            "the preset dev: all programs, all tests": run("cmake --preset dev && cmake --build --preset dev", tree, env),
            f"again after a change of {TOUCHED}, dev": run(touched + "cmake --build --preset dev", tree, env),
        }


def main():
    source = os.getcwd()
    runs = [once(source) for _ in range(int(sys.argv[1]) if sys.argv[1:] else 3)]
    print(f"{os.cpu_count()} CPUs; {len(runs)} clones; median (least-most)\n")
    print(f"{'':60} {'seconds':>21} {'CPU seconds':>21}")
    for step in runs[0]:
        shown = []
        for which in range(2):
            seen = sorted(each[step][which] for each in runs)
            shown.append(f"{statistics.median(seen):.1f} ({seen[0]:.1f}-{seen[-1]:.1f})")
        print(f"{step:60} {shown[0]:>21} {shown[1]:>21}")


if __name__ == "__main__":
    main()
