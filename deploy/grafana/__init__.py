"""Dashboards as code: plain dicts, written out as the JSON that Grafana is provisioned with."""
