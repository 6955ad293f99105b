from megatron.bridge.models.conversion.auto_bridge import AutoBridge

__all__ = ["AutoBridge"]
