"""Shared tools: files, packing, progress, interrupts, plug-ins."""
