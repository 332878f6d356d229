"""Names of files that a terminal, a page or a shell takes for something else."""

from __future__ import annotations

HOSTILE = {
    "a line of its own": "a.json\nverdict: ok",
    "a return": "a.json\rok",
    "a terminal's clipboard": "\x1b]52;c;cm0gLXJm\x07.json",
    "a C1 control": "\x9b31m.json",
    "turned text": "\u202egnp.exe\u2066.json",
    "half a pair": "\udc80.json",
    "a shell's command": "x'$(touch P).json",
    "a shell's line": 'a;b&c|d `e` "f".json',
    "an emoji's name": "a :warning: b.json",
    "a pattern": "a*[b]{c}?\\.json",
    "a pattern and a line": "a*[b]{c}?\\\n.json",
}
