"""What services.sh asks of the network: free ports, InfluxDB's health and its first set-up (standard library only)."""

import json
import random
import socket
import sys
import urllib.error
import urllib.request

# Loopback must never go through a proxy of the environment.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def free_ports(count: int) -> list[int]:
    """Return `count` ports that are free on 127.0.0.1.

    They lie below the range from which systems give ports to outgoing connections: a stopped service finds its own
    port still free when it starts again.
    """
    result: list[int] = []
    for port in random.sample(range(20_000, 32_000), 500):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        result.append(port)
        if len(result) == count:
            return result
    raise SystemExit(f"only {len(result)} of {count} ports are free between 20000 and 32000")


def healthy(url: str) -> bool:
    """Tell whether the InfluxDB at `url` answers and says that it is well."""
    try:
        with _DIRECT.open(f"{url}/health", timeout=2) as answer:
            return bool(json.load(answer)["status"] == "pass")
    except (OSError, ValueError):
        return False


def set_up(url: str, password: str, token: str, org: str, bucket: str) -> None:
    """Create the first user, organisation, bucket and token of an empty InfluxDB."""
    body = {"username": "test", "password": password, "token": token, "org": org, "bucket": bucket}
    request = urllib.request.Request(
        f"{url}/api/v2/setup", json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    try:
        _DIRECT.open(request, timeout=30).close()
    except urllib.error.HTTPError as error:
        raise SystemExit(f"InfluxDB refused the set-up: {error.code} {error.read().decode()}") from error


def main(command: str, *arguments: str) -> int:
    """Run one of the commands `ports`, `healthy` and `setup`; return the exit code."""
    match command:
        case "ports":
            print(*free_ports(int(arguments[0])))
        case "healthy":
            return 0 if healthy(arguments[0]) else 1
        case "setup":
            set_up(*arguments)
        case _:
            raise SystemExit(f"unknown command {command!r}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
