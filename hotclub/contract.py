"""The JSON contract: what declarations compile to and what every part reads.

A contract has a schema part, whose fingerprint (sha256 of its canonical JSON) names the version,
and a policy part with a revision of its own: a changed gate retrains nothing.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from typing import Any, Literal, Self

from hotclub import names, severities
from hotclub.errors import ContractError
from hotclub.severities import SeriousSeverity, Severity

FORMAT = 1
#: Marks an attribute that a file leaves out while it has its default: files from before there was a choice stay the same.
_ABSENT_BY_DEFAULT = {"absent_by_default": True}
FeatureType = Literal["number", "boolean", "category"]


def canonical_json(value: object) -> str:
    """Return JSON with sorted keys and no spaces, the form that is hashed. NaN is refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def fingerprint(schema: Mapping[str, Any]) -> str:
    """Return the sha256 of a schema part's canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical_json(schema).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One feature of a model, in the order of the matrix's columns."""

    name: str
    type: FeatureType
    nullable: bool
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    pattern: str | None = None
    doc: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class ViewSpec:
    """A feature view: SQL with ``%s`` places, their values, and the tables it reads."""

    sql: str
    params: tuple[str | int | float | bool | None, ...] = ()
    reads: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelSchema:
    """What a model version was trained on; any change is a new contract version.

    `django_model` is Django's label of the rows' model, `tenant_path` the field path from a row to its tenant.
    `entity_type` is a PostgreSQL type: keys keep their own, so that an index finds them.
    `event_time` is None where rows have no time; the view's column of that name is null then, and training splits rows
    by a hash of `split_by`, or of the entity where that is None.
    `classes` are the names of a label's values in the order of their numbers; the view gives the numbers.
    """

    django_model: str
    task: Literal["binary", "multiclass", "regression"]
    entity: str
    entity_type: str
    tenant_path: str | None
    event_time: str | None
    horizon_seconds: int
    timezone: str
    classes: tuple[str, ...]
    features: tuple[FeatureSpec, ...]
    view: ViewSpec
    split_by: str | None = field(default=None, metadata=_ABSENT_BY_DEFAULT)


@dataclass(frozen=True, slots=True)
class ModelPolicy:
    """What may change without retraining.

    `evaluate_days` and `stopping_days` are None where rows have no time.
    `leakage_accepted` has the reason why a feature may look as if it knew the label, by feature.
    `choices` are pairs of a category's value and its name for people, by feature, as Django's fields have them.
    """

    metric: str
    gates: dict[str, float]
    baseline_by: tuple[str, ...]
    evaluate_days: int | None
    stopping_days: int | None
    score_on: str | None
    schedule: str | None
    parameters: dict[str, Any]
    doc: str = ""
    leakage_accepted: dict[str, str] = field(default_factory=dict, metadata=_ABSENT_BY_DEFAULT)
    choices: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict, metadata=_ABSENT_BY_DEFAULT)


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """One column of a delivered file and the database column that it loads into.

    `type` is one of text, integer, bigint, float8, numeric, boolean, date, timestamptz.
    `references` is ``(table, column)`` when the value names a row of another table;
    `reference_required` says whether an unknown one stops the load or is a warning.
    `reference_key` is the column of that table whose value is loaded, where it is another than the one that the file
    names a row by.
    """

    name: str
    target: str
    type: str
    nullable: bool
    max_length: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    references: tuple[str, str] | None = None
    reference_required: bool = False
    reference_key: str | None = field(default=None, metadata=_ABSENT_BY_DEFAULT)


@dataclass(frozen=True, slots=True)
class SourceSchema:
    """Which table and columns a file loads into."""

    django_model: str
    table: str
    natural_key: tuple[str, ...]
    tenant_path: str | None
    #: The file column whose value decides the tenant (the first step of `tenant_path`), when the file has it.
    tenant_column: str | None
    timezone: str
    columns: tuple[ColumnSpec, ...]


@dataclass(frozen=True, slots=True)
class CheckSpec:
    """An expectation's name, severity and arguments."""

    expectation: str
    severity: Severity
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SourcePolicy:
    """The checks in addition to those that the columns imply, and how severe it is where a local time is not clear.

    `ambiguous_times` is about times without an offset that the clocks of the source's zone skip or show twice.
    """

    checks: tuple[CheckSpec, ...]
    doc: str = ""
    ambiguous_times: SeriousSeverity = field(default=severities.WARNING, metadata=_ABSENT_BY_DEFAULT)


#: Attributes whose names in the file are shorter, as they were from the first: a fingerprint is over the file's names.
_NAMES_IN_FILE = {"django_model": "model", "tenant_path": "tenant"}


def _plain(value: object) -> Any:
    """Return a dataclass as its file has it: tuples as lists, names as in the file."""
    content = json.loads(json.dumps(_as_dict(value), allow_nan=False))
    return {_NAMES_IN_FILE.get(name, name): part for name, part in content.items()}


def _as_dict(value: Any) -> Any:
    """Return dataclasses, also within tuples, as dicts without what is absent by default."""
    if isinstance(value, tuple):
        return [_as_dict(part) for part in value]
    if not is_dataclass(value):
        return value
    return {
        f.name: _as_dict(part) for f in fields(value) if not _is_absent(f, part := getattr(value, f.name))
    }


def _is_absent(attribute: Field[Any], value: object) -> bool:
    if not attribute.metadata.get("absent_by_default"):
        return False
    factory = attribute.default_factory
    return bool(value == (attribute.default if factory is MISSING else factory()))


@dataclass(frozen=True)
class _Contract:
    name: str
    app: str
    version: int
    policy_revision: int = field(default=1, kw_only=True)

    def _envelope(self, kind: str, schema: object, policy: object) -> dict[str, Any]:
        plain = _plain(schema)
        return {
            "format": FORMAT,
            "kind": kind,
            "name": self.name,
            "app": self.app,
            "version": self.version,
            "fingerprint": fingerprint(plain),
            "schema": plain,
            "policy_revision": self.policy_revision,
            "policy": _plain(policy),
        }


@dataclass(frozen=True)
class ModelContract(_Contract):
    """A version of a model's contract."""

    schema: ModelSchema
    policy: ModelPolicy

    @property
    def fingerprint(self) -> str:
        """The sha256 of the schema part."""
        return fingerprint(_plain(self.schema))

    @property
    def features(self) -> tuple[FeatureSpec, ...]:
        """The features, in the order of the matrix's columns."""
        return self.schema.features

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The features' names, in the order of the matrix's columns."""
        return tuple(f.name for f in self.schema.features)

    @property
    def view(self) -> str:
        """The qualified name of the feature view."""
        return names.qualified_view_name(self.name, self.version)

    @property
    def horizon(self) -> dt.timedelta:
        """How long before the event time a prediction is made."""
        return dt.timedelta(seconds=self.schema.horizon_seconds)

    def to_json(self) -> dict[str, Any]:
        """Return the contract file's content."""
        return self._envelope("model", self.schema, self.policy)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read a contract file's content.

        Raises:
            ContractError: another format or kind, or a fingerprint that does not match the schema part.
        """
        schema, policy = _parts(data, "model")
        return cls(
            name=data["name"],
            app=data["app"],
            version=data["version"],
            policy_revision=data["policy_revision"],
            schema=ModelSchema(
                **{
                    **schema,
                    "classes": tuple(schema["classes"]),
                    "features": tuple(FeatureSpec(**f) for f in schema["features"]),
                    "view": ViewSpec(
                        schema["view"]["sql"], tuple(schema["view"]["params"]), tuple(schema["view"]["reads"])
                    ),
                }
            ),
            policy=_model_policy(policy),
        )


@dataclass(frozen=True)
class SourceContract(_Contract):
    """A version of a source's contract."""

    schema: SourceSchema
    policy: SourcePolicy

    @property
    def fingerprint(self) -> str:
        """The sha256 of the schema part."""
        return fingerprint(_plain(self.schema))

    @property
    def key_has_day(self) -> bool:
        """Whether the natural key holds one date or time, which is the delivered day's: rows of two days never match."""
        # A date that the file names another table's row by is that row's own.
        key = [
            c for c in self.schema.columns if c.target in self.schema.natural_key and c.reference_key is None
        ]
        return sum(c.type in ("date", "timestamptz") for c in key) == 1

    @property
    def key_has_tenant(self) -> bool:
        """Whether the natural key holds what decides the tenant: two tenants' rows never match."""
        column = self.schema.tenant_column
        return any(column == c.name and c.target in self.schema.natural_key for c in self.schema.columns)

    def to_json(self) -> dict[str, Any]:
        """Return the contract file's content."""
        return self._envelope("source", self.schema, self.policy)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read a contract file's content.

        Raises:
            ContractError: another format or kind, or a fingerprint that does not match the schema part.
        """
        schema, policy = _parts(data, "source")
        columns = tuple(
            ColumnSpec(
                **{
                    **c,
                    "choices": tuple(c["choices"]),
                    "references": tuple(c["references"]) if c["references"] else None,
                }
            )
            for c in schema["columns"]
        )
        return cls(
            name=data["name"],
            app=data["app"],
            version=data["version"],
            policy_revision=data["policy_revision"],
            schema=SourceSchema(
                **{**schema, "natural_key": tuple(schema["natural_key"]), "columns": columns}
            ),
            policy=SourcePolicy(
                checks=tuple(CheckSpec(**c) for c in policy["checks"]),
                doc=policy.get("doc", ""),
                ambiguous_times=policy.get("ambiguous_times", severities.WARNING),
            ),
        )


Contract = ModelContract | SourceContract


def _model_policy(data: Mapping[str, Any]) -> ModelPolicy:
    choices = {
        feature: tuple((value, name) for value, name in pairs)
        for feature, pairs in data.get("choices", {}).items()
    }
    return ModelPolicy(**{**data, "baseline_by": tuple(data["baseline_by"]), "choices": choices})


def _parts(data: Mapping[str, Any], kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    name = data.get("name", "?")
    if data.get("format") != FORMAT:
        raise ContractError(
            f"contract {name}: format {data.get('format')!r} is not {FORMAT}; "
            "it was written by another version of Hotclub"
        )
    if data.get("kind") != kind:
        raise ContractError(f"contract {name}: kind {data.get('kind')!r}, expected {kind!r}")
    missing = [
        key
        for key in ("name", "app", "version", "fingerprint", "schema", "policy", "policy_revision")
        if key not in data
    ]
    if missing:
        raise ContractError(f"contract {name}: no {', '.join(missing)}")
    actual = fingerprint(data["schema"])
    if actual != data["fingerprint"]:
        raise ContractError(
            f"contract {name} version {data['version']}: the fingerprint says {data['fingerprint'][:12]}, "
            f"the schema part hashes to {actual[:12]}; contract files are written by makecontracts, never by hand"
        )
    attributes = {name: attribute for attribute, name in _NAMES_IN_FILE.items()}
    schema = {attributes.get(name, name): part for name, part in data["schema"].items()}
    return schema, dict(data["policy"])


def from_json(data: Mapping[str, Any]) -> Contract:
    """Read a contract of either kind.

    Raises:
        ContractError: it cannot be read; the message names the contract and the reason.
    """
    readers: dict[str, type[ModelContract | SourceContract]] = {
        "model": ModelContract,
        "source": SourceContract,
    }
    reader = readers.get(data.get("kind", ""))
    if reader is None:
        raise ContractError(f"contract {data.get('name', '?')}: unknown kind {data.get('kind')!r}")
    try:
        return reader.from_json(data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ContractError(f"contract {data.get('name', '?')}: {error}") from error
