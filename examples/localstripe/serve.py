"""Runs localstripe as it is installed, but on this machine only, and with nothing written to a file.

Its own program listens on every address, and after each change it writes all that it has to one file in /tmp.
"""

import logging
import sys

from aiohttp import web
from localstripe.resources import Store
from localstripe.server import app

Store.dump_to_disk = lambda store: None
# What became of each webhook.
logging.basicConfig(level=logging.INFO, format="%(message)s")
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
