# SPDX-License-Identifier: BSD-2-Clause
"""Small BPF programs of somebody else, made without a compiler: for scripts/soak and tests/cli.

    with Attached("eth0", "tcx_egress", TCX_PASS):
        ...
"""
import ctypes
import os
import socket
import struct

TCX_NEXT, TCX_PASS, TCX_DROP, XDP_DROP, XDP_PASS = -1, 0, 2, 1, 2
# What the kernel calls them: the type of the program, of the place, and flags: tcx at the head, XDP generic.
PLACES = {"tcx_ingress": (3, 46, 8), "tcx_egress": (3, 47, 8), "xdp": (6, 37, 2)}
SYS_BPF = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
PROG_LOAD, LINK_CREATE = 5, 28

libc = ctypes.CDLL(None, use_errno=True)


def bpf(command, attr):
    attr = ctypes.create_string_buffer(attr.ljust(128, b"\0"), 128)
    fd = libc.syscall(SYS_BPF, command, attr, len(attr))
    if fd < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return fd


def instruction(code, registers=0, offset=0, value=0):
    return struct.pack("=BBhi", code, registers, offset, value)


def always(verdict):
    """r0 = verdict; exit"""
    return instruction(0xb7, 0, 0, verdict) + instruction(0x95)


def longer_than(size, verdict, other=TCX_NEXT):
    """Of tc: r2 = skb->len; r0 = other; if (r2 > size) r0 = verdict; exit"""
    return (instruction(0x61, 0x12) + instruction(0xb7, 0, 0, other) + instruction(0xb5, 2, 1, size) +
            instruction(0xb7, 0, 0, verdict) + instruction(0x95))


class Attached:
    """For as long as it is not closed; OSError where the kernel has no such place."""

    def __init__(self, device, place, program):
        kind, where, flags = PLACES[place]
        code = program if isinstance(program, bytes) else always(program)
        text, licence = ctypes.create_string_buffer(code, len(code)), ctypes.create_string_buffer(b"GPL")
        prog = bpf(PROG_LOAD, struct.pack("=IIQQIIQII16s", kind, len(code) // 8, ctypes.addressof(text),
                                          ctypes.addressof(licence), 0, 0, 0, 0, 0, b"somebody_elses"))
        try:
            self.link = bpf(LINK_CREATE, struct.pack("=IIII", prog, socket.if_nametoindex(device), where, flags))
        finally:
            os.close(prog)

    def close(self):
        """Once or more often."""
        if self.link >= 0:
            os.close(self.link)
        self.link = -1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
