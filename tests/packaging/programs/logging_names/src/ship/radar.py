import logging

logger = logging.getLogger(__name__)


def scan():
    logger.info("nothing to see")
    logger.error("too late")
