"""`make url`: prints the base URL of the running stack."""

from console import echo, main
from pidfile import require

if __name__ == "__main__":
    main(lambda: echo(require().cloud.api_url))
