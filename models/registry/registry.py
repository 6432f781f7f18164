"""The model registry: a folder with immutable versions of each zone's model, checked by hash on loading.

``ROOT/ZONE/MODEL_ID/`` holds ``metadata.json``, one ``PART.npz`` per part and one file per binary value (the trees as
XGBoost's own JSON). ``ROOT/ZONE/in_force.json`` names the promoted version and those before it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from models.registry.artifact import Parts, assemble
from models.served import ServedModel
from vpp.atomic_file import write_atomic
from vpp.errors import ModelError
from vpp.file_names import SAFE, file_name

_METADATA = "metadata.json"
_IN_FORCE = "in_force.json"


def content_hash(parts: Parts) -> str:
    """Return the sha256 of all arrays and binary values, independent of the file format."""
    digest = hashlib.sha256()
    for part in sorted(parts):
        for name in sorted(parts[part]):
            value = parts[part][name]
            digest.update(f"{part}/{name}".encode())
            if isinstance(value, bytes):
                digest.update(value)
            else:
                array = np.ascontiguousarray(value)
                digest.update(f"{array.dtype.str}{array.shape}".encode())
                digest.update(array.tobytes())
    return digest.hexdigest()


def identified(parts: Parts, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``metadata`` with the version's id and content hash."""
    sha = content_hash(parts)
    stamp = re.sub(r"[^0-9T]", "", str(metadata["until"]))[:13]
    model_id = f"{file_name(str(metadata['zone']))}-{stamp}-{sha[:8]}"
    return {**metadata, "model_id": model_id, "sha256": sha}


class Registry:
    """Reads and writes the versions under one folder.

    Args:
        root: The folder; made when the first version is saved.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._loaded: dict[tuple[str, str], ServedModel] = {}

    def save(self, parts: Parts, metadata: Mapping[str, Any]) -> ServedModel:
        """Keep a version and return it; saving the same content again changes nothing.

        Args:
            parts: Arrays and binary values by part.
            metadata: With ``zone``, ``step_min`` and ``until`` (ISO 8601); id and sha256 are added.
        """
        full = identified(parts, metadata)
        model_id, sha = full["model_id"], full["sha256"]
        folder = self._folder(model_id, str(metadata["zone"]))
        if not (folder / _METADATA).is_file():
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".new-") as name:
                _write(Path(name), parts, full)
                target = Path(name)
                if folder.exists():
                    raise ModelError(f"{folder} holds an unfinished version", hint="remove that folder")
                target.rename(folder)
                target.mkdir()
        return self.load(model_id, sha)

    def load(self, model_id: str, sha256: str | None = None) -> ServedModel:
        """Return a version.

        Raises:
            ModelError: The model does not exist, is damaged, or has another sha256.
        """
        loaded = self._loaded.get((model_id, sha256 or ""))
        if loaded is not None:
            return loaded
        folder = self._find(model_id)
        metadata = self._metadata(folder)
        parts = _read(folder)
        digest = content_hash(parts)
        if digest != metadata["sha256"]:
            raise ModelError(
                f"model {model_id} is damaged: its content is not what was saved", hint="train again: vpp train"
            )
        if sha256 and sha256 != digest:
            raise ModelError(
                f"model {model_id} in the registry has sha256 {digest[:12]}, but {sha256[:12]} was promoted",
                hint="copy the promoted version into this registry, or promote this one",
            )
        model = assemble(parts, metadata)
        self._loaded[(model_id, digest)] = self._loaded[(model_id, "")] = model
        return model

    def versions(self, zone: str) -> list[dict[str, Any]]:
        """Return the metadata of all versions of a zone, oldest training end first."""
        folder = self._root / file_name(zone)
        if not folder.is_dir():
            return []
        entries = [self._metadata(path.parent) for path in sorted(folder.glob(f"*/{_METADATA}"))]
        return sorted(entries, key=lambda m: (str(m["until"]), str(m["model_id"])))

    def zones(self) -> list[str]:
        """Return the zones that have versions."""
        first = {path.parent.parent: path.parent for path in sorted(self._root.glob(f"*/*/{_METADATA}"))}
        return sorted(str(self._metadata(folder)["zone"]) for folder in first.values())

    def show(self, model_id: str) -> dict[str, Any]:
        """Return the metadata of one version.

        Raises:
            ModelError: The model does not exist.
        """
        return self._metadata(self._find(model_id))

    def in_force(self, zone: str) -> dict[str, Any] | None:
        """Return the metadata of the promoted version, or None."""
        history = self._history(zone)
        return self.show(history[-1]) if history else None

    def promote(self, model_id: str) -> dict[str, Any]:
        """Put a version in force and return its metadata.

        Raises:
            ModelError: The model does not exist.
        """
        metadata = self.show(model_id)
        history = self._history(metadata["zone"])
        if not history or history[-1] != model_id:
            self._write_history(metadata["zone"], [*history, model_id])
        return metadata

    def rollback(self, zone: str) -> dict[str, Any]:
        """Put the version before the present one in force again and return its metadata.

        Raises:
            ModelError: No earlier version was in force.
        """
        history = self._history(zone)
        if len(history) < 2:
            raise ModelError(f"no earlier model of {zone} was in force", hint="see vpp models list")
        self._write_history(zone, history[:-1])
        return self.show(history[-2])

    def _history(self, zone: str) -> list[str]:
        path = self._root / file_name(zone) / _IN_FORCE
        if not path.is_file():
            return []
        history: list[str] = json.loads(path.read_text(encoding="utf-8"))
        return history

    def _write_history(self, zone: str, history: list[str]) -> None:
        path = self._root / file_name(zone) / _IN_FORCE
        write_atomic(path, json.dumps(history, indent=1))

    def _folder(self, model_id: str, zone: str) -> Path:
        return self._root / file_name(zone) / model_id

    def _find(self, model_id: str) -> Path:
        if not SAFE.fullmatch(model_id) or model_id.startswith("."):
            raise ModelError(f"{model_id!r} is not a model id", hint="see vpp models list")
        for path in self._root.glob(f"*/{model_id}/{_METADATA}"):
            return path.parent
        raise ModelError(f"no model {model_id} in {self._root}", hint="see vpp models list, or train one: vpp train")

    def _metadata(self, folder: Path) -> dict[str, Any]:
        try:
            metadata: dict[str, Any] = json.loads((folder / _METADATA).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ModelError(f"{folder / _METADATA} cannot be read: {error}", hint="train again: vpp train") from error
        return metadata


def _write(folder: Path, parts: Parts, metadata: Mapping[str, Any]) -> None:
    for part, values in parts.items():
        arrays: dict[str, Any] = {name: value for name, value in values.items() if not isinstance(value, bytes)}
        np.savez(folder / f"{part}.npz", allow_pickle=False, **arrays)
        for name, value in values.items():
            if isinstance(value, bytes):
                (folder / f"{part}.{name}.json").write_bytes(value)
    with (folder / _METADATA).open("w", encoding="utf-8") as file:
        json.dump(metadata, file, indent=1, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())


def _read(folder: Path) -> dict[str, dict[str, np.ndarray[Any, Any] | bytes]]:
    parts: dict[str, dict[str, np.ndarray[Any, Any] | bytes]] = {}
    try:
        for path in sorted(folder.glob("*.npz")):
            with np.load(path, allow_pickle=False) as file:
                parts[path.stem] = {name: file[name] for name in file.files}
        for path in sorted(folder.glob("*.json")):
            part, _, name = path.stem.partition(".")
            if part in parts:
                parts[part][name] = path.read_bytes()
    except (OSError, ValueError, EOFError) as error:
        raise ModelError(f"{folder} cannot be read: {error}", hint="train again: vpp train") from error
    return parts
