"""The only room that measures: hooks, rows on the device, the trunk, step boundaries. Every hook is an identity."""
