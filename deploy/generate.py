"""Writes every generated file of the repository: ``python -m deploy.generate [--check]``.

Topic and access scripts, the Kubernetes objects of our processes, topic pages and JSON schemas come from
``vpp/streams/topics.py``, Prometheus rules from their generator, dashboards from
``deploy/grafana/build.py``, the references of settings, commands and errors from their modules, the pages on budget and
scale from measured unit costs, tables of the net-load page from measured errors, and the tree of the architecture page
from the first lines of all modules.
"""

from __future__ import annotations

import sys
from pathlib import Path

from deploy.generators.acl_script import create_acls_script
from deploy.generators.budget_docs import budget_page
from deploy.generators.cli_docs import cli_page
from deploy.generators.error_docs import errors_page
from deploy.generators.kubernetes import alerts_yaml, mcp_yaml, page_yaml, simulate_yaml, storage_yaml, workers_yaml
from deploy.generators.net_load_docs import PAGE as NET_LOAD
from deploy.generators.net_load_docs import net_load_page
from deploy.generators.prometheus_rules import rules_manifest, rules_yaml
from deploy.generators.requirements_file import requirements_text
from deploy.generators.scale_docs import scale_page
from deploy.generators.settings_docs import settings_page
from deploy.generators.table_docs import tables_markdown
from deploy.generators.topic_docs import schemas, topics_page
from deploy.generators.topic_script import create_topics_script
from deploy.generators.tree_docs import PAGE as ARCHITECTURE
from deploy.generators.tree_docs import architecture_page
from deploy.generators.unit_costs import read_unit_costs
from deploy.grafana.build import dashboards

ROOT = Path(__file__).resolve().parent.parent


def generated() -> dict[Path, str]:
    """Return the text of every generated file by its path in the repository."""
    return {
        Path("requirements.txt"): requirements_text(
            (ROOT / "pyproject.toml").read_text(encoding="utf-8"),
            (ROOT / "constraints.txt").read_text(encoding="utf-8"),
        ),
        Path("deploy/create-topics.sh"): create_topics_script(),
        Path("deploy/create-acls.sh"): create_acls_script(),
        Path("deploy/k8s/base/create-topics.sh"): create_topics_script(),
        Path("deploy/k8s/base/workers.yaml"): workers_yaml(),
        Path("deploy/k8s/base/storage.yaml"): storage_yaml(),
        Path("deploy/k8s/components/alerts/alerts.yaml"): alerts_yaml(),
        Path("deploy/k8s/components/mcp/mcp.yaml"): mcp_yaml(),
        Path("deploy/k8s/components/page/page.yaml"): page_yaml(),
        Path("deploy/k8s/components/monitoring/rules.yaml"): rules_manifest(),
        Path("deploy/prometheus/rules.yaml"): rules_yaml(),
        Path("deploy/k8s/components/simulate/simulate.yaml"): simulate_yaml(),
        ARCHITECTURE: architecture_page(),
        Path("docs/benchmarks/budget.md"): budget_page(read_unit_costs(ROOT)),
        Path("docs/benchmarks/scale.md"): scale_page(read_unit_costs(ROOT), ROOT),
        NET_LOAD: net_load_page(ROOT),
        Path("docs/reference/cli.md"): cli_page(),
        Path("docs/reference/errors.md"): errors_page(),
        Path("docs/reference/settings.md"): settings_page(),
        Path("docs/reference/tables.md"): tables_markdown(),
        Path("docs/reference/topics.md"): topics_page(),
        **{Path("docs/reference/schemas") / f"{name}.json": text for name, text in schemas().items()},
        **{Path("deploy/grafana/dashboards") / f"{name}.json": text for name, text in dashboards().items()},
    }


def stale(root: Path = ROOT) -> list[Path]:
    """Return the files that differ from what would be written, and those of the generated folders that would not be."""
    files = generated()
    differing = [path for path, text in files.items() if _read(root / path) != text]
    folders = {path.parent for path in files if path.suffix == ".json"}
    left_over = [
        path.relative_to(root)
        for folder in folders
        for path in (root / folder).glob("*.json")
        if path.relative_to(root) not in files
    ]
    return sorted(differing + left_over)


def write(root: Path = ROOT) -> None:
    """Write every generated file."""
    for path, text in generated().items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        if path.suffix == ".sh":
            target.chmod(0o755)


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def main(arguments: list[str]) -> int:
    """Write the files, or with ``--check`` say which are stale."""
    if arguments == ["--check"]:
        stale_files = stale()
        for path in stale_files:
            sys.stderr.write(f"{path} is stale: run python -m deploy.generate\n")
        return 1 if stale_files else 0
    if arguments:
        sys.stderr.write("usage: python -m deploy.generate [--check]\n")
        return 2
    write()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
