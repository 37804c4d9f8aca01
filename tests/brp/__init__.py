"""The rules of the BRP, against RvIG's own cases and against arbitrary JSON."""
