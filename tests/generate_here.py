"""`python -m tests.generate_here URL JOB ...`: as `python -m generate JOB ...`, but searches ask tests/picture_server.py at URL."""

from __future__ import annotations

import sys
from functools import partial

from generate import collect
from generate.__main__ import main

if __name__ == "__main__":
    url = sys.argv.pop(1)
    collect.collect = partial(collect.collect, openverse_url=f"{url}/openverse/", commons_url=f"{url}/commons/")
    collect.Manners = partial(collect.Manners, private_hosts=("localhost",))
    main(prog_name="python -m generate")
