"""Runs a program on a pseudo terminal of its own and types what it is told to.

Arguments: a JSON list of [text to wait for, text to type], then the program. A text to type that
begins with "signal:" sends that signal to the program instead. Ends with the program's exit code,
or 128 and the signal's number; what the terminal showed is on standard output.
"""
import json
import os
import pty
import select
import signal
import sys
import time

steps = json.loads(sys.argv[1])
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])

shown = b""
read_to = 0
ends_at = time.monotonic() + 90
while time.monotonic() < ends_at:
    ready, _, _ = select.select([terminal], [], [], 0.1)
    if ready:
        try:
            part = os.read(terminal, 65536)
        except OSError:
            part = b""
        if not part:
            break
        shown += part
        os.write(1, part)
    while steps:
        at = shown.find(steps[0][0].encode(), read_to)
        if at < 0:
            break
        read_to = at + len(steps[0][0])
        typed = steps.pop(0)[1]
        if typed.startswith("signal:"):
            os.kill(pid, getattr(signal, typed[len("signal:"):]))
        else:
            os.write(terminal, typed.encode())
else:
    os.kill(pid, signal.SIGKILL)

_, status = os.waitpid(pid, 0)
code = os.waitstatus_to_exitcode(status)
sys.exit(code if code >= 0 else 128 - code)
