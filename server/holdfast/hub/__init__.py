"""Live fan-out within one process: from the store's feed to bounded queues of devices."""
