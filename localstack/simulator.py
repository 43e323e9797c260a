"""Tells the provider simulator where the webhook is here.

The template derives the webhook's address from the API's host name at AWS, which does not lead to this machine.
"""


def lead_to(functions, function: str, url: str) -> None:
    """Make the simulator's function call the API at `url`. What else the function was told stays."""
    variables = functions.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    here = f"{url}/api/{variables['WEBHOOK_URL'].rpartition('/api/')[2]}"
    if variables["WEBHOOK_URL"] != here:
        functions.update_function_configuration(
            FunctionName=function, Environment={"Variables": variables | {"WEBHOOK_URL": here}}
        )
