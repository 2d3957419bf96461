"""Settings of gunicorn, which reads this file from the folder it is started in."""

import os
import shutil
import tempfile
from typing import Any

from web.logs import CLOUD_CONFIG, on_google_cloud

# One process by default, since each has its own deck; WEB_CONCURRENCY=4 starts four.
# Half of the threads may wait for storage (READERS in web/site.py), the others send pages from memory. More threads
# compete for the interpreter: 8 instead of 4 doubled the 99th percentile (benchmarks/serve.py).
threads = 4
worker_class = "web.worker.Worker"
worker_connections = 256  # of each worker; slow clients hold connections, not threads
keepalive = 30  # seconds
graceful_timeout = 10
limit_request_line = 2048
limit_request_fields = 64
forwarder_headers = ""  # else visitors could send headers named SCRIPT_NAME and PATH_INFO, which some proxies pass on
control_socket_disable = True  # it would write to the home folder

if on_google_cloud():
    logconfig_dict = CLOUD_CONFIG

if os.environ.get("METRICS") == "1":  # where the workers add up their numbers, see web/metrics.py
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="metrics-")

    def child_exit(server: Any, worker: Any) -> None:
        """The state of a worker that has ended is no longer shown."""
        from web.metrics import forget

        forget(worker.pid)

    def on_exit(server: Any) -> None:
        """Leave nothing behind."""
        shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)
