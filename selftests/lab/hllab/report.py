# SPDX-License-Identifier: BSD-2-Clause
"""Markdown of what the lab measured: tables, and each figure to reach judged by the run's own numbers."""
import statistics
from dataclasses import dataclass

EVENTS = ("control", "carrier off", "carrier on", "planned unplug", "planned unplug, told first",
          "hot-add", "silent surprise eject", "migration, all of it", "migration, unplug", "migration, move",
          "migration, re-plug")
SIDES = ("up", "down")
UNKNOWN = "not measured"


@dataclass(frozen=True)
class Cell:
    """All repetitions of one event, one way, for one peer."""
    samples: list[dict]

    @property
    def never(self) -> bool:
        """Frames did not arrive again in at least half of them."""
        return sum(not sample["back"] for sample in self.samples) * 2 >= len(self.samples)

    def lost(self) -> tuple[float, int, int]:
        return self._spread("lost")

    def _spread(self, key: str):
        values = [sample[key] for sample in self.samples]
        return statistics.median(values), min(values), max(values)

    def text(self, key: str = "lost") -> str:
        if key == "lost" and self.never:
            return "**never**"
        middle, least, most = self._spread(key)
        return f"{middle:.0f}" if least == most else f"{middle:.0f} ({least:.0f}-{most:.0f})"


def cell(data: dict, peer: str, event: str, silent: bool, side: str) -> Cell | None:
    """None when there is nothing to say: not measured, or nothing flowed before the event."""
    found = [sample[side] for sample in data["peers"].get(peer, ())
             if (sample["event"], sample["silent"]) == (event, silent) and sample["flowed"] and side in sample]
    return Cell(found) if found else None


def rows(data: dict) -> list[tuple[str, bool]]:
    """The events that were measured, busy ones first."""
    seen = {(sample["event"], sample["silent"]) for samples in data["peers"].values() for sample in samples}
    return [(event, silent) for silent in (False, True) for event in EVENTS if (event, silent) in seen]


def title(event: str, silent: bool) -> str:
    return f"{event}, silent receiver" if silent else event


def where(caption: dict) -> str:
    return (f"Linux {caption['kernel']} in QEMU {caption['qemu']} (TCG), virtio-net standby, "
            f"{caption['primary']} primary; {caption['date']}, a host with {caption['cpus']} CPUs and "
            f"load {caption['load']}")


# The figures to reach: event, silent receiver, most frames lost up and down, remark.
FIGURES = (
    ("carrier off", False, 0, 3, "e1000e says so a tick and a work item after its link is gone: e1000_intr() "
     "arms watchdog_timer, which schedules the carrier's change; what is sent meanwhile is in a dead NIC"),
    ("carrier off", True, None, 10, ""),
    ("planned unplug, told first", False, 0, 0, "with the host's help: the guest is told first"),
    ("planned unplug", False, 5, 5, "alone"),
    ("planned unplug", True, None, 10, "alone"),
    ("hot-add", False, None, 0, ""),
    ("silent surprise eject", False, 50, 50, "needs the path to be probed: no event, carrier stays 1"),
    ("silent surprise eject", True, None, 50, "needs the path to be probed; a guest that sends nothing has "
     "its primary asked at the resting pace, and once more when frames stay away"),
    ("migration, unplug", False, 0, 0, "with the host's help: the guest is told first"),
    ("migration, re-plug", False, 0, 0, ""),
)


def peers(data: dict, instructions: dict | None) -> str:
    names = list(data["peers"])
    starved = statistics.median(s["starved"] for samples in data["peers"].values() for s in samples)
    rounds = max(len(found.samples) for event, silent in rows(data) for peer in names
                 if (found := cell(data, peer, event, silent, "down")))
    lines = [
        "# Frames lost to each event, by peer", "",
        f"{where(data['caption'])}; QEMU waited for a CPU in {starved:.0%} of the time (median). "
        "1,000 frames a second each way, so a lost frame is a millisecond. Written by "
        "`scripts/bench peers`; the data are in `peers.json`.", "",
        "![Frames lost to each event](peers.svg)", "",
        f"Lost up / down: median (least-most) of up to {rounds} repetitions in one boot of the guest. "
        "**never**: no frame arrived again in 2.5 s and more. Silent receiver: the guest only listens, "
        "so there is no way up. **-**: not measured, or nothing flowed before the event.", "",
        _line(["event", *names]), _line(["---"] * (len(names) + 1))]
    for event, silent in rows(data):
        cells = [" / ".join(found.text() if (found := cell(data, peer, event, silent, side)) else "-"
                            for side in (("down",) if silent else SIDES)) for peer in names]
        lines.append(_line([title(event, silent), *cells]))
    waited = (statistics.median(s["starved"] for s in data["peers"][peer]) for peer in names)
    lines.append(_line(["time for which QEMU waited for a CPU", *(f"{share:.0%}" for share in waited)]))
    lines += ["", "Carrier on and hot-add last until the traffic is back on the primary; team is told to "
              "go there, as teamd does not by itself. Told first: the guest leaves the primary before it "
              "is unplugged (`hitless switch`, the bond's `primary`, `teamdctl`); net_failover has no such "
              "command. Migration: QEMU's failover unplugs, moves and plugs in by itself, in one; hitless is "
              "told, step by step, and what the move loses is the time for which there is no guest.", "", "## The figures to reach", "", *_judged(data, instructions), "",
              "## Duplicates, order and gaps", "", *_details(data, names)]
    return "\n".join(lines) + "\n"


def _judged(data: dict, instructions: dict | None) -> list[str]:
    lines = [_line(["figure", "measured, median (least-most)", ""]), _line(["---"] * 3)]
    for event, silent, up, down, remark in FIGURES:
        verdicts = []
        for side, most in (("up", up), ("down", down)):
            found = cell(data, "hitless", event, silent, side)
            if most is not None:
                verdicts.append((side, most, found, bool(found) and not found.never and found.lost()[0] <= most))
        figure = ", ".join(f"{side} <= {most}" for side, most, *_ in verdicts)
        measured = ", ".join(f"{side} {found.text() if found else 'not measured'}" for side, _, found, _ in verdicts)
        reached = _verdict(all(ok for *_, ok in verdicts)) if all(found for *_, found, _ in verdicts) \
            else UNKNOWN
        lines.append(_line([f"{title(event, silent)}: {figure}" + (f" ({remark})" if remark else ""),
                            measured, reached]))
    if instructions:
        lines += judged_instructions(instructions)
    else:
        lines.append(_line(["instructions per packet: below bond's", "run `lab icount`", UNKNOWN]))
    return lines


def _details(data: dict, names: list[str]) -> list[str]:
    keys = ("duplicated", "reordered", "gap_ms")
    lines = [_line(["event", "peer", *(f"{word} {side}" for side in SIDES
                                       for word in ("duplicated", "reordered", "longest gap, ms"))]),
             _line(["---"] * 8)]
    for event, silent in rows(data):
        for peer in names:
            sides = [cell(data, peer, event, silent, side) for side in SIDES]
            if any(sides):
                lines.append(_line([title(event, silent), peer,
                                    *(found.text(key) if found else "-" for found in sides for key in keys)]))
    return lines


def _verdict(reached: bool) -> str:
    return "reached" if reached else "**not reached**"


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


# Instructions per packet

TX_RATIO, RX_EXTRA = 1.04, 1283


def instructions(data: dict) -> str:
    plain = {way: statistics.median(data["runs"]["plain"][way]) for way in ("tx", "rx")}
    lines = [
        "# Instructions per packet", "",
        f"{where(data['caption'])}; one instruction of the guest is one tick of its TSC "
        "(`-icount shift=0,sleep=off`), and what the idle guest does is subtracted. UDP of "
        f"{data['size']} bytes in bursts of {data['burst']}, {data['packets']} packets a run, sent or "
        "received by the primary; rx includes what the sender in the same guest spends, alike for all. Written by `scripts/bench peers`; the data are in "
        "`instructions.json`.", "",
        "Median of the runs (least-most), and what it is over the plain NIC:", "",
        _line(["", "tx", "over plain", "ratio", "rx", "over plain", "tx + rx over plain"]),
        _line(["---"] * 7)]
    for peer, runs in data["runs"].items():
        cells, total = [], 0.0
        for way in ("tx", "rx"):
            middle = statistics.median(runs[way])
            total += middle - plain[way]
            cells += [f"{middle:.0f} ({min(runs[way]):.0f}-{max(runs[way]):.0f})", f"{middle - plain[way]:+.0f}"]
            cells += [f"{middle / plain[way]:.3f}"] if way == "tx" else []
        lines.append(_line([peer, *cells, f"{total:+.0f}"]))
    lines += ["", "## The figures to reach", "", _line(["figure", "measured", ""]), _line(["---"] * 3),
              *judged_instructions(data)]
    return "\n".join(lines) + "\n"


def judged_instructions(data: dict) -> list[str]:
    middle = {peer: {way: statistics.median(runs[way]) for way in ("tx", "rx")}
              for peer, runs in data["runs"].items()}
    ours = {peer: values for peer, values in middle.items() if peer.startswith("hitless")}
    cast = ours.get("hitless, cast")
    plain, bond, failover = middle["plain"], middle["bond"], middle["net_failover"]
    extra = {peer: {way: values[way] - plain[way] for way in values} for peer, values in middle.items()}
    figures = []
    if cast:
        ratio = cast["tx"] / plain["tx"]
        figures += [
            (f"tx with the cast at most {TX_RATIO} x the plain NIC", f"{ratio:.3f}", ratio <= TX_RATIO),
            ("tx with the cast below bond and net_failover",
             f"{extra['hitless, cast']['tx']:+.0f}; bond {extra['bond']['tx']:+.0f}, "
             f"net_failover {extra['net_failover']['tx']:+.0f}", cast["tx"] < min(bond["tx"], failover["tx"]))]
    for peer in ours:
        figures.append((f"rx with {peer.removeprefix('hitless, ')} at most +{RX_EXTRA}",
                        f"{extra[peer]['rx']:+.0f}", extra[peer]["rx"] <= RX_EXTRA))
    total = {peer: values["tx"] + values["rx"] for peer, values in extra.items()}
    best = min(ours, key=lambda peer: total[peer], default=None)
    if best:
        figures.append(("tx + rx of the best model below bond's",
                        f"{best} {total[best]:+.0f}; bond {total['bond']:+.0f}", total[best] < total["bond"]))
    return [_line([figure, measured, _verdict(ok)])
            for figure, measured, ok in figures]
