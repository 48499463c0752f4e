"""Recognition: word error rate and speed beside the stock library, and latency at the pace of speech."""
