"""The bridge itself: everything that runs in Azure. It never imports `local` or `cli`."""
