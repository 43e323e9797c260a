"""The webhook URL of the provider simulator.

The template derives it from the API's host name at AWS, which does not lead to this machine.
"""


def point_webhook_at(functions, function: str, url: str) -> None:
    """Make the simulator call the API at `url`. Its other environment variables are unchanged."""
    variables = functions.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    local = f"{url}/api/{variables['WEBHOOK_URL'].rpartition('/api/')[2]}"
    if variables["WEBHOOK_URL"] != local:
        functions.update_function_configuration(
            FunctionName=function, Environment={"Variables": variables | {"WEBHOOK_URL": local}}
        )
