"""Common parts of a simulated device of all protocols: the connection and its faults."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from agents.devices.inventory import DeviceEntry
from agents.devices.simulation import DeviceFault, SimulatedDevice
from vpp.errors import ConfigError


class ServedDevice(ABC):
    """A simulated device that answers while its cable is plugged in.

    Args:
        device: The device.
        now_s: The time that the device lives by.
    """

    def __init__(self, device: SimulatedDevice, now_s: Callable[[], float]) -> None:
        self.device = device
        self._now_s = now_s

    @property
    @abstractmethod
    def is_plugged(self) -> bool:
        """Whether it was started and not stopped since."""

    @abstractmethod
    async def start(self) -> None:
        """Answer from now on."""

    @abstractmethod
    async def stop(self) -> None:
        """Pull the cable: answer no more."""

    async def tick(self) -> None:
        """Let time pass, follow the faults ``offline`` and ``restart``, and report where that is due."""
        now_s = self._now_s()
        self.device.advance(now_s)
        if self.device.take_restart():
            await self.stop()
        if DeviceFault.OFFLINE in self.device.faults:
            await self.stop()
        elif not self.is_plugged:
            await self.start()
        await self.report(now_s)

    @abstractmethod
    async def report(self, now_s: float) -> None:
        """Send a reading where one is due at ``now_s``."""


def not_here(entry: DeviceEntry, example: str) -> ConfigError:
    """Return the error of a device whose address is not on this machine.

    Args:
        entry: Its entry in the list.
        example: An address that the simulator serves.
    """
    return ConfigError(
        f"{entry.name}: the simulator serves addresses of this machine alone, not {entry.address}",
        hint=f"give {example} in a device list of its own",
    )
