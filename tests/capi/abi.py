# SPDX-License-Identifier: BSD-2-Clause
"""hitless.h for the tests, by ctypes."""
import ctypes as c
import os


class Lib:
    """The calls, each with its result checked by the caller, and one handle."""

    def __init__(self):
        self.so = c.CDLL(os.environ["LIBHITLESS"])
        self.so.hitless_error.restype = c.c_char_p
        self.so.hitless_version.restype = c.c_char_p
        self.so.hitless_close.restype = None
        self.so.hitless_state_directory.restype = c.c_char_p
        self.handle = c.c_void_p()
        assert self.so.hitless_open(c.byref(self.handle)) == 0

    def call(self, name, *args):
        return getattr(self.so, f"hitless_{name}")(self.handle, *args)

    def error(self):
        return self.so.hitless_error(self.handle).decode()

    def each(self, kind, name, *args):
        """The structs of a list; -errno as an OSError."""
        at = c.POINTER(kind)()
        result = self.call(name, *args, c.byref(at))
        if result:
            raise OSError(-result, self.error())
        while at:
            assert at.contents.size == c.sizeof(kind), kind
            yield at.contents
            at = at.contents.next

    def close(self):
        self.so.hitless_close(self.handle)
        self.handle = c.c_void_p()


class Policy(c.Structure):
    _fields_ = [("size", c.c_size_t), ("hold_down_ms", c.c_int32), ("up_delay_ms", c.c_int32),
                ("probe_interval_ms", c.c_int32), ("probe_rest_ms", c.c_int32), ("proof_timeout_ms", c.c_int32),
                ("reserved", c.c_uint32), ("reselect", c.c_char_p), ("announce", c.c_char_p),
                ("carrier", c.c_char_p)]


class Attach(c.Structure):
    _fields_ = [("size", c.c_size_t), ("standby", c.c_char_p), ("primary", c.c_char_p), ("model", c.c_char_p),
                ("datapath", c.c_char_p), ("liveness", c.c_char_p),
                ("policy", c.POINTER(Policy)), ("failover", c.c_char_p), ("gate", c.c_int),
                ("checksums_complete", c.c_int), ("other_standbys", c.POINTER(c.c_char_p)), ("origin", c.c_char_p)]


class Control(c.Structure):
    _fields_ = [("size", c.c_size_t), ("only_listed", c.c_int), ("reserved", c.c_int),
                ("policy", c.POINTER(Policy)),
                ("pairs", c.POINTER(c.POINTER(Attach)))]


class Reason(c.Structure):
    _fields_ = [("name", c.c_char_p), ("meaning", c.c_char_p), ("since_ns", c.c_uint64), ("actor", c.c_char_p)]


class Counter(c.Structure):
    _fields_ = [("name", c.c_char_p), ("frames", c.c_uint64)]


class Nic(c.Structure):
    _fields_ = [("size", c.c_size_t), ("ifname", c.c_char_p), ("mac", c.c_char_p), ("bus", c.c_char_p),
                ("ifindex", c.c_uint32), ("mtu", c.c_uint32), ("present", c.c_int), ("up", c.c_int),
                ("carrier", c.c_int), ("known", c.c_int), ("native", c.c_int), ("reserved", c.c_int),
                ("tx_dropped", c.c_uint64)]


class Host(c.Structure):
    _fields_ = [("size", c.c_size_t), ("speaks", c.c_int), ("able", c.c_int), ("want", c.c_char_p),
                ("downlink", c.c_char_p), ("told", c.c_char_p), ("slot", c.c_uint32), ("reserved", c.c_uint32),
                ("heard", c.c_uint64), ("ignored", c.c_uint64), ("sent", c.c_uint64)]


class Pair(c.Structure):
    pass


Pair._fields_ = [("size", c.c_size_t), ("next", c.POINTER(Pair)), ("name", c.c_char_p), ("active", c.c_char_p),
                 ("healthy", c.c_int), ("reserved", c.c_int), ("flips", c.c_uint64),
                 ("veto", c.POINTER(Reason)), ("problems", c.POINTER(c.c_char_p)),
                 ("counters", c.POINTER(Counter)), ("primary", c.POINTER(Nic)), ("standby", c.POINTER(Nic)),
                 ("model", c.c_char_p), ("datapath", c.c_char_p), ("liveness", c.c_char_p),
                 ("selector", c.c_char_p), ("failover", c.c_char_p), ("policy", c.POINTER(Policy)),
                 ("proved", c.c_int), ("reserved2", c.c_int), ("host", c.POINTER(Host))]


class Flip(c.Structure):
    pass


Flip._fields_ = [("size", c.c_size_t), ("next", c.POINTER(Flip)), ("pair", c.c_char_p), ("to", c.c_char_p),
                 ("time_ns", c.c_uint64), ("lasted_ns", c.c_uint64), ("reasons", c.POINTER(Reason)),
                 ("actor", c.c_char_p), ("lost", c.c_int64)]


class Unpaired(c.Structure):
    pass


Unpaired._fields_ = [("size", c.c_size_t), ("next", c.POINTER(Unpaired)), ("ifname", c.c_char_p),
                     ("why", c.c_char_p)]


class Finding(c.Structure):
    pass


Finding._fields_ = [("size", c.c_size_t), ("next", c.POINTER(Finding)), ("grade", c.c_char_p),
                    ("what", c.c_char_p), ("detail", c.c_char_p), ("remedy", c.c_char_p)]

LOG = c.CFUNCTYPE(None, c.c_char_p, c.c_void_p)
AUTO, PRIMARY, STANDBY = range(3)
TIMES = ("hold_down", "up_delay", "probe_interval", "probe_rest", "proof_timeout")


def names(first):
    """The names of a list that ends with NULL."""
    out = []
    while first[len(out)].name:
        out.append(first[len(out)].name.decode())
    return out


def until_null(first):
    """The texts of a list that ends with NULL."""
    out = []
    while first[len(out)]:
        out.append(first[len(out)])
    return out


def policy(**fields):
    return c.pointer(Policy(c.sizeof(Policy), **fields))


def control(*rules, **fields):
    """Options of a controller that keeps these rules and no other pair."""
    pairs = (c.POINTER(Attach) * (len(rules) + 1))(*map(c.pointer, rules))
    return Control(c.sizeof(Control), 1, pairs=pairs, **fields)


def attach(standby, primary=b"mac", **fields):
    return Attach(c.sizeof(Attach), standby, primary, **fields)
