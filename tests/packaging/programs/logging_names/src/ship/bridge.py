import logging
import warnings

logger = logging.getLogger(__name__)


def turn():
    logger.info("turning")
    logger.warning("about to be called from elsewhere", stacklevel=2)
    logging.captureWarnings(True)
    warnings.warn("iceberg", stacklevel=1)
    try:
        1 / 0
    except ZeroDivisionError:
        logger.exception("hit")
