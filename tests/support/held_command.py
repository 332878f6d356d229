"""Become a command whose writes another process is asked about, before each happens.

Run as a script: ``held_command.py SOCKET COMMAND...``. Linux's seccomp holds the calls
below in every thread of every child, and hands the descriptor that answers them to
the other end of the socket. See ``held_writes.py``.
"""

from __future__ import annotations

import array
import ctypes
import os
import platform
import socket
import struct
import sys
from dataclasses import dataclass

_NO_NEW_PRIVILEGES = 38
_SET_FILTER, _NEW_LISTENER = 1, 8
_LOAD, _JUMP_EQUAL, _JUMP_BITS, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _ASK = 0x7FFF0000, 0x7FC00000
_INSTRUCTION = struct.Struct("=HBBI")


@dataclass(frozen=True)
class Call:
    """A system call that names a file; the arguments are counted from 0."""

    name: str
    path: int
    folder: int | None = None
    """The argument with the folder that a relative path begins at."""
    flags: int | None = None
    """The argument that says whether the call makes a file."""
    source: int | None = None
    """The argument with the path that is there already."""


@dataclass(frozen=True)
class Machine:
    """Linux's numbers on a kind of machine."""

    audit: int
    seccomp: int
    calls: dict[int, Call]


MACHINES = {
    "x86_64": Machine(
        0xC000003E,
        317,
        {
            2: Call("open", 0, flags=1),
            82: Call("rename", 1, source=0),
            85: Call("creat", 0),
            84: Call("rmdir", 0),
            86: Call("link", 1, source=0),
            87: Call("unlink", 0),
            257: Call("openat", 1, folder=0, flags=2),
            263: Call("unlinkat", 1, folder=0),
            264: Call("renameat", 3, folder=2, source=1),
            265: Call("linkat", 3, folder=2, source=1),
            316: Call("renameat2", 3, folder=2, source=1),
        },
    ),
    "aarch64": Machine(
        0xC00000B7,
        277,
        {
            35: Call("unlinkat", 1, folder=0),
            37: Call("linkat", 3, folder=2, source=1),
            38: Call("renameat", 3, folder=2, source=1),
            56: Call("openat", 1, folder=0, flags=2),
            276: Call("renameat2", 3, folder=2, source=1),
        },
    ),
}


def filter_program(machine: Machine) -> bytes:
    """Return the BPF program that asks about the calls of ``machine``."""
    number, audit, arguments = 0, 4, 16
    steps = [
        (_LOAD, 0, 0, audit),
        (_JUMP_EQUAL, 1, 0, machine.audit),
        (_RETURN, 0, 0, _ALLOW),
    ]
    for code, call in machine.calls.items():
        if call.flags is None:
            asked = [(_RETURN, 0, 0, _ASK)]
        else:
            asked = [
                (_LOAD, 0, 0, arguments + 8 * call.flags),
                (_JUMP_BITS, 0, 1, os.O_CREAT),
                (_RETURN, 0, 0, _ASK),
                (_RETURN, 0, 0, _ALLOW),
            ]
        steps += [(_LOAD, 0, 0, number), (_JUMP_EQUAL, 0, len(asked), code), *asked]
    steps.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(_INSTRUCTION.pack(*step) for step in steps)


def install_filter(machine: Machine) -> int:
    """Ask about this process's writes from now on; return the answering descriptor."""
    program = filter_program(machine)
    steps = ctypes.create_string_buffer(program, len(program))
    header = struct.pack(
        "@HP", len(program) // _INSTRUCTION.size, ctypes.addressof(steps)
    )
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    listener = libc.syscall(
        machine.seccomp, _SET_FILTER, _NEW_LISTENER, ctypes.c_char_p(header)
    )
    if listener < 0:
        raise OSError(ctypes.get_errno(), "seccomp refused the filter")
    return listener


def hold_writes(asked: socket.socket) -> None:
    """Install the filter and send the answering descriptor through the socket."""
    listener = install_filter(MACHINES[platform.machine()])
    descriptors = array.array("i", [listener])
    asked.sendmsg([b"!"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
    asked.close()
    os.close(listener)


if __name__ == "__main__":
    hold_writes(socket.socket(fileno=int(sys.argv[1])))
    os.execv(sys.argv[2], sys.argv[2:])
