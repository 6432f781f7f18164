"""Production deployment: compose file, image, topic creation, dashboards, and the programs that generate them."""
