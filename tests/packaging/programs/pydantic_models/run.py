"""Pydantic resolves names in the module of a model, and tells models of one name apart."""

import json
import pickle

from pydantic import BaseModel, ValidationError

from orders import incoming, outgoing


class Both(BaseModel):
    first: incoming.Item
    second: outgoing.Item


print(json.dumps(Both.model_json_schema()))
both = Both.model_validate({"first": {"size": {"cm": 3}}, "second": {"size": {"inch": "4"}}})
print(repr(both), both.second.size.double())
back = pickle.loads(pickle.dumps(both.second))
print(back == both.second, type(back), type(back.size))
try:
    Both.model_validate({"first": {"size": {"cm": "x"}}, "second": {"size": {"inch": -1}}})
except ValidationError as error:
    print(error.errors(include_url=False))
print(outgoing.Tree(children=[outgoing.Tree()]).model_dump_json())
