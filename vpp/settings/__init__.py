"""All settings, from command line > environment (``VPP_``) > ``.env`` > ``vpp.toml`` > defaults.

Nested groups are written ``VPP_KAFKA__BOOTSTRAP_SERVERS`` in the environment and ``[kafka]`` in ``vpp.toml``.
Unknown keys are refused. Settings are loaded at entry points only and passed down. A new setting goes to its group:
``connections``, ``running``, ``devices``, ``feeds``, ``faces`` or ``signing``.
"""

from vpp.settings.connections import PLACEHOLDER, InfluxSettings, KafkaSettings, StoreSettings
from vpp.settings.devices import MqttSettings, OpenAdrSettings, WebhookSettings
from vpp.settings.faces import AgentSettings
from vpp.settings.feeds import FeedSettings
from vpp.settings.loading import env_name, keys, load_settings, sources
from vpp.settings.running import LiveSettings
from vpp.settings.settings import Settings
from vpp.settings.signing import SigningSettings

__all__ = [
    "PLACEHOLDER",
    "AgentSettings",
    "FeedSettings",
    "InfluxSettings",
    "KafkaSettings",
    "LiveSettings",
    "MqttSettings",
    "OpenAdrSettings",
    "Settings",
    "SigningSettings",
    "StoreSettings",
    "WebhookSettings",
    "env_name",
    "keys",
    "load_settings",
    "sources",
]
