"""How gunicorn serves the site; it reads this file by itself from the folder that it is started in."""

from web.logs import CLOUD_CONFIG, on_google_cloud

# One process, since each has its own deck; more of them where there are cores to use: WEB_CONCURRENCY=4.
# Threads are for permalinks that wait for storage, and so that idle connections cost nothing. More than a few
# only fight for the interpreter: 8 instead of 4 doubled the 99th percentile (benchmarks/serve.py).
threads = 4
keepalive = 30  # seconds
graceful_timeout = 10
limit_request_line = 2048
limit_request_fields = 64
control_socket_disable = True  # it would write to the home folder

if on_google_cloud():
    logconfig_dict = CLOUD_CONFIG
