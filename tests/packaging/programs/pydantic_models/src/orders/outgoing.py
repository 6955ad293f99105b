from __future__ import annotations

from pydantic import BaseModel, Field, field_validator


class Size(BaseModel):
    inch: int = Field(gt=0)

    def double(self):
        return self.inch * 2


class Item(BaseModel):
    size: Size

    @field_validator("size")
    @classmethod
    def _rounded(cls, value: Size) -> Size:
        return value.model_copy(update={"inch": value.inch + 1})


class Tree(BaseModel):
    children: list[Tree] = []
