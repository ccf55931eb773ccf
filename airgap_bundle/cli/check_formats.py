"""The words behind `--format` of `check` and `diff`."""

from enum import StrEnum


class CheckFormat(StrEnum):
    """What standard output holds when manifests are checked: formats of CI systems besides."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    JUNIT = "junit"
    GITHUB = "github"
    GITLAB = "gitlab"


class DiffFormat(StrEnum):
    """What standard output holds when two documents are compared: Markdown for a review comment besides."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
