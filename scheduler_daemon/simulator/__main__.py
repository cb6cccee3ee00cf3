"""The simulator as a process: ``python -m scheduler_daemon.simulator --ready-file F --shop a.myshopify.com``."""

import argparse
import json
import sys
from pathlib import Path

from ..lib.files import write_atomically
from .server import Simulator
from .shop import SimShop


def main() -> int:
    """Serve until killed; the ready file says url, token and client of each shop."""
    parser = argparse.ArgumentParser(description="An invented Shopify.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--ready-file", type=Path, required=True)
    parser.add_argument("--shop", action="append", required=True)
    parser.add_argument("--orders", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--zone", default="UTC")
    parser.add_argument("--currency", default="EUR")
    parser.add_argument("--taxes-included", action="store_true")
    parser.add_argument("--days", type=float, default=60)
    parser.add_argument("--rate", type=float, default=100)
    parser.add_argument("--bucket", type=float, default=2000)
    parser.add_argument("--access", choices=("token", "expiring", "client"), default="token")
    args = parser.parse_args()
    shops = [
        SimShop(
            name,
            orders=args.orders,
            seed=args.seed,
            zone=args.zone,
            currency=args.currency,
            taxes_included=args.taxes_included,
            days=args.days,
            restore_rate=args.rate,
            bucket_size=args.bucket,
            access=args.access,
        )
        for name in args.shop
    ]
    simulator = Simulator(shops, port=args.port)
    facts = {
        shop.domain: {
            "token": shop.token,
            "refresh_token": shop.refresh_token,
            "client_id": shop.client_id,
            "client_secret": shop.client_secret,
        }
        for shop in shops
    }
    ready = {"base_url": simulator.base_url, "url": simulator.url, "shops": facts}
    write_atomically(args.ready_file, json.dumps(ready).encode(), 0o600)
    try:
        simulator.serve()
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
