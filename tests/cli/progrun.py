# SPDX-License-Identifier: BSD-2-Clause
"""BPF_PROG_TEST_RUN of a pinned program: what a frame costs in it."""
import ctypes
import os
import struct
import time

from bed import libc, must

SYS_BPF = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
OBJ_GET, PROG_TEST_RUN = 7, 10
SK_BUFF_IFINDEX, SK_BUFF_SIZE = 40, 192


def bpf(command, attributes):
    result = libc.syscall(SYS_BPF, command, ctypes.byref(ctypes.create_string_buffer(attributes, 144)), 144)
    must(result)
    return result


class Program:
    """`frame` (bytes, from the destination MAC on) as device `ifindex` sends or receives it."""

    def __init__(self, pin, frame, ifindex):
        path = ctypes.create_string_buffer(pin.encode())
        self.fd = bpf(OBJ_GET, struct.pack("=QII", ctypes.addressof(path), 0, 0))
        self.frame = ctypes.create_string_buffer(frame, len(frame))
        self.context = ctypes.create_string_buffer(SK_BUFF_SIZE)
        struct.pack_into("=I", self.context, SK_BUFF_IFINDEX, ifindex)

    def close(self):
        os.close(self.fd)

    def ns(self, repeat=200_000):
        """Nanoseconds of this thread a frame, of one run."""
        attributes = struct.pack("=4I2Q4I2Q", self.fd, 0, len(self.frame), 0, ctypes.addressof(self.frame), 0,
                                 repeat, 0, SK_BUFF_SIZE, 0, ctypes.addressof(self.context), 0)
        start = time.thread_time_ns()
        bpf(PROG_TEST_RUN, attributes)
        return (time.thread_time_ns() - start) / repeat
