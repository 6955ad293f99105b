from contextvars import ContextVar

current = ContextVar("visa", default="none")
