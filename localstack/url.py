"""`make url`: the base URL of the running stack, and nothing else."""

from console import main, say
from running import require

if __name__ == "__main__":
    main(lambda: say(require().url))
