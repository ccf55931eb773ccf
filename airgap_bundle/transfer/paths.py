"""Where in the destination a repository goes: below DEST, by its own path or by a map.

`--map 'docker.io/**=infra/**'` where a registry's projects demand it. The first rule that matches decides.
"""

from __future__ import annotations

from dataclasses import dataclass

from airgap_bundle.core.errors import InvalidValueError, UsageError
from airgap_bundle.core.oci import check_repository

_REST = "/**"


@dataclass(frozen=True, kw_only=True, slots=True)
class PathRule:
    """One `FROM=TO`: a repository exactly, or with `/**` on both sides everything below it."""

    source: str
    target: str

    @classmethod
    def parse(cls, text: str) -> PathRule:
        """Read a rule from the command line; `UsageError` where it is none."""
        source, equals, target = text.partition("=")
        if not equals:
            raise _no_rule(text, "FROM=TO is needed")
        # `**` matches everything below, so it must stand on both sides or on none.
        if source.endswith("**") != target.endswith("**"):
            raise _no_rule(text, "** stands at the end of both sides or of none")
        try:
            for side in (source, target):
                if side != "**":
                    check_repository(side.removesuffix(_REST))
        except InvalidValueError as error:
            raise _no_rule(text, str(error)) from error
        return cls(source=source, target=target)

    def apply(self, path: str) -> str | None:
        """Where `path` goes by this rule; None where it does not match."""
        if not self.source.endswith("**"):
            return self.target if path == self.source else None
        start = self.source[:-2]
        return self.target[:-2] + path[len(start) :] if path.startswith(start) and len(path) > len(start) else None

    def undo(self, mapped: str) -> str | None:
        """What would go to `mapped` by this rule; None where nothing does."""
        return PathRule(source=self.target, target=self.source).apply(mapped)


@dataclass(frozen=True, kw_only=True, slots=True)
class PathMap:
    """All rules of one import."""

    rules: tuple[PathRule, ...] = ()

    @classmethod
    def parse(cls, texts: list[str] | None) -> PathMap:
        """Read the `--map` options."""
        return cls(rules=tuple(PathRule.parse(text) for text in texts or ()))

    def apply(self, path: str) -> str:
        """The repository below DEST that `path` becomes."""
        for rule in self.rules:
            if (mapped := rule.apply(path)) is not None:
                return mapped
        return path

    def leading_to(self, mapped: str) -> tuple[str, ...]:
        """Every path that becomes `mapped`."""
        undone = (mapped, *(rule.undo(mapped) for rule in self.rules))
        return tuple(dict.fromkeys(one for one in undone if one is not None and self.apply(one) == mapped))

    def as_texts(self) -> tuple[str, ...]:
        """The rules as they were given, for the receipt."""
        return tuple(f"{rule.source}={rule.target}" for rule in self.rules)


def _no_rule(text: str, why: str) -> UsageError:
    return UsageError(
        "AB-USAGE-MAP",
        f"not a rule for --map: {text!r} ({why})",
        hint="write it as 'docker.io/**=infra/**' or 'docker.io/library/redis=cache/redis'",
    )
