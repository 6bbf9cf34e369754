"""``python -m azure.messaging.webpubsubservice`` is the command ``webpubsub``."""

import sys

from .command import main

sys.exit(main())
