"""HTTP APIs of API Gateway: routes with Lambda proxy integrations, payload format 2.0."""
