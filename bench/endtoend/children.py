"""Processes of a measurement, which end when it ends."""

import os
import subprocess
import time

from lab import LabError, die_with_parent

STOP_SECONDS = 10
NICE = -20


def prepare(*cores):
    """What a child does before it becomes the program."""
    def run():
        die_with_parent()
        os.sched_setaffinity(0, cores)
        go_first()
    return run


def go_first():
    """Before what else the machine does, where we may. The kernel shares out processors between
    sessions first (autogroups, sched(7)), then within one."""
    try:
        os.setsid()
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
        with open("/proc/self/autogroup", "w", encoding="ascii") as file:
            file.write(str(NICE))
    except (PermissionError, FileNotFoundError):
        pass


class Child:
    """A process that is told by lines and answers in a file."""

    def __init__(self, command, cores, output):
        self.name = os.path.basename(command[0])
        self.output = output
        with open(output, "wb") as file:
            self.popen = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=file,
                                          stderr=subprocess.STDOUT, text=True,
                                          preexec_fn=prepare(*cores))

    def said(self):
        with open(self.output, encoding="utf-8", errors="replace") as file:
            return file.read()

    def tell(self, line):
        try:
            self.popen.stdin.write(line + "\n")
            self.popen.stdin.flush()
        except BrokenPipeError as gone:
            raise LabError(f"{self.name} is gone: {self.said()[-2000:]}") from gone

    def wait_for(self, condition, seconds, what):
        """Polls until the condition holds and returns its value."""
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            if self.popen.poll() is not None:
                raise LabError(f"{self.name} ended with {self.popen.returncode}: "
                               f"{self.said()[-2000:]}")
            if time.monotonic() > deadline:
                raise LabError(f"{self.name}: waited {seconds} s in vain for {what}: "
                               f"{self.said()[-2000:]}")
            time.sleep(0.02)
        return value

    def stop(self):
        if self.popen.poll() is None:
            self.popen.terminate()
        try:
            self.popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        try:
            self.popen.stdin.close()
        except BrokenPipeError:
            pass
