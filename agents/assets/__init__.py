"""Physics and static limits of batteries, peakers and curtailable assets."""
