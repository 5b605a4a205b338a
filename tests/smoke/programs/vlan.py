"""vlan.py INTERFACE ID: makes an interface one of a VLAN's, as a switch does for a machine that
knows nothing of VLANs: what it sends gets the tag, and of what comes only frames with that tag are
let in, without it.

Stands in for the kernel's VLAN devices where there are none: two programs at the interface's
traffic control hooks, which stay until this process ends. Prints "ready" when both stand.
"""

import ctypes
import os
import platform
import signal
import socket
import struct
import sys

SYS_BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
BPF_PROG_LOAD, BPF_LINK_CREATE = 5, 28
BPF_PROG_TYPE_SCHED_CLS = 3
BPF_TCX_INGRESS, BPF_TCX_EGRESS = 46, 47
VLAN_PUSH, VLAN_POP = 18, 19
PASS, DROP = 0, 2
SKB_VLAN_PRESENT, SKB_VLAN_TCI = 20, 24

LIBC = ctypes.CDLL(None, use_errno=True)


def bpf(command, attributes):
    buffer = ctypes.create_string_buffer(attributes, 144)
    descriptor = LIBC.syscall(SYS_BPF, command, buffer, len(buffer))
    if descriptor < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return descriptor


def instruction(opcode, destination=0, source=0, offset=0, immediate=0):
    return struct.pack("<BBhi", opcode, destination | source << 4, offset, immediate)


def set_to(register, value):
    return instruction(0xb7, register, immediate=value)


def copy(register, source):
    return instruction(0xbf, register, source)


def load_word(register, source, offset):
    return instruction(0x61, register, source, offset)


def call(function):
    return instruction(0x85, immediate=function)


def leave(verdict):
    return set_to(0, verdict) + instruction(0x95)


def push(vlan):
    tag_type = socket.htons(0x8100)
    return set_to(2, tag_type) + set_to(3, vlan) + call(VLAN_PUSH) + leave(PASS)


def pop(vlan):
    return (copy(6, 1) + load_word(2, 1, SKB_VLAN_PRESENT) +
            instruction(0x15, 2, offset=7, immediate=0) +  # without a tag: to the end
            load_word(2, 1, SKB_VLAN_TCI) + instruction(0x57, 2, immediate=0xfff) +
            instruction(0x55, 2, offset=4, immediate=vlan) +  # of another VLAN
            copy(1, 6) + call(VLAN_POP) + leave(PASS) + leave(DROP))


def attach(program, interface, hook):
    code = ctypes.create_string_buffer(program, len(program))
    text = ctypes.create_string_buffer(b"GPL")
    loaded = bpf(BPF_PROG_LOAD, struct.pack("=IIQQ", BPF_PROG_TYPE_SCHED_CLS, len(program) // 8,
                                            ctypes.addressof(code), ctypes.addressof(text)))
    bpf(BPF_LINK_CREATE, struct.pack("=IIII", loaded, socket.if_nametoindex(interface), hook, 0))


def main():
    interface, vlan = sys.argv[1], int(sys.argv[2])
    attach(push(vlan), interface, BPF_TCX_EGRESS)
    attach(pop(vlan), interface, BPF_TCX_INGRESS)
    print("ready", flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
