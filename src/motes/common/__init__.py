"""What every room needs: files, packing, progress, interrupts, plug-ins."""
