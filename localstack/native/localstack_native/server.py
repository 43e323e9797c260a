"""LocalStack's web server on the loopback address, with the HTTP API at an origin of its own.

LocalStack's own server listens on every interface, whatever host GATEWAY_LISTEN names.
"""

from localstack.config import HostAndPort
from localstack.runtime.server.twisted import TwistedRuntimeServer
from rolo.gateway import Gateway
from rolo.serving.twisted import TwistedGateway
from twisted.internet import reactor

from localstack_native import settings
from localstack_native.http_api.gateway import api_gateway
from localstack_native.settings import LOOPBACK


class LoopbackServer(TwistedRuntimeServer):
    def register(self, gateway: Gateway, listen: list[HostAndPort], ssl_creds: tuple[str, str] | None = None) -> None:
        """Listen for plain HTTP. Raises CannotListenError if a port is in use."""
        for address in listen:
            reactor.listenTCP(address.port, TwistedGateway(gateway), interface=LOOPBACK)
        reactor.listenTCP(settings.api_port(), TwistedGateway(api_gateway()), interface=LOOPBACK)
