from __future__ import annotations

from pydantic import BaseModel


class Item(BaseModel):
    size: Size


class Size(BaseModel):
    cm: int


Item.model_rebuild()
