"""The services of deploy/compose.yaml as containers of the built image, on the host's network."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.contract.deploy.compose_file import filled, read_example
from tests.services.compose_plant import SERVICES, Plant

IMAGE = "localhost/smartgrid-ai:test"
USER_ID = 10001
# Where the process limits of the host cannot be raised, the defaults of podman are refused.
PODMAN_RUN = [
    *("podman", "--cgroup-manager", "cgroupfs", "--runtime", "runc", "run", "--rm", "--network", "host"),
    *("--ulimit", "nofile=1024:4096", "--ulimit", "nproc=1024:4096"),
]


def limits(service: dict[str, Any]) -> list[str]:
    """Return the options of ``podman run`` that say what compose says of the service."""
    options = [f"--cap-drop={name}" for name in service["cap_drop"]]
    options += [f"--security-opt={text.removesuffix(':true')}" for text in service["security_opt"]]
    options += [f"--tmpfs={text}" for text in service["tmpfs"]]
    options += ["--init"] * service["init"] + ["--read-only"] * service["read_only"]
    options += [f"--user={service['user']}"] if "user" in service else []
    return [*options, f"--memory={service['mem_limit']}", f"--pids-limit={service['pids_limit']}"]


def run_once(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a container as locked as a worker's, without a network."""
    options = [option for option in PODMAN_RUN if option not in ("--network", "host")]
    return subprocess.run(
        [*options, "--network=none", *limits(SERVICES["telemetry"]), IMAGE, *command],
        capture_output=True,
        text=True,
        check=False,
    )


@dataclass
class ContainerPlant(Plant):
    """The workers of one run, each in a container."""

    def container(self, service: str) -> str:
        return f"vpp-test-{self.run}-{service}"

    def make_tokens(self) -> None:
        """Run the service of compose that makes tokens."""
        for name in ("storage", "read"):
            (self.folder / "tokens" / name).mkdir(parents=True)
        assert self.start("tokens").wait(60) == 0, self.logs("tokens")

    def start(self, service: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start the command of a compose service in a container of its own."""
        compose = SERVICES[service]
        environment = self.composed_environment(service)
        names = [option for name in environment for option in ("--env", name)]
        command = filled(compose["command"], read_example())
        with (self.folder / f"{service}.log").open("ab") as log:
            return subprocess.Popen(
                [
                    *(*PODMAN_RUN, "--name", self.container(service), *limits(compose), *names),
                    *self._volumes(compose),
                    *(IMAGE, *command, *arguments),
                ],
                env=os.environ | environment,
                stdout=log,
                stderr=log,
            )

    def signal(self, service: str, name: str) -> None:
        """Send a signal to the first process of the container."""
        subprocess.run(["podman", "kill", "--signal", name, self.container(service)], check=True, capture_output=True)

    def end(self, service: str, process: subprocess.Popen[bytes]) -> None:
        """Remove the container, whatever its state."""
        subprocess.run(["podman", "rm", "--force", "--time", "0", self.container(service)], capture_output=True)
        process.wait(30)

    def _volumes(self, compose: dict[str, Any]) -> list[str]:
        folders = {
            "state": self.folder / "state",
            "token-storage": self.folder / "tokens" / "storage",
            "token-read": self.folder / "tokens" / "read",
            "${INPUT_DIR:-./input}": self.folder / "input",
        }
        matches = [re.fullmatch(r"(.+?):(/[^:]+(?::ro)?)", text) for text in compose["volumes"]]
        return [f"--volume={folders[match[1]]}:{match[2]}" for match in matches if match]


def make_folders(folder: Path) -> None:
    """Make the volumes as a container engine does: the state's belongs to the user of the image."""
    for name in ("state", "input"):
        (folder / name).mkdir()
    os.chown(folder / "state", USER_ID, USER_ID)
