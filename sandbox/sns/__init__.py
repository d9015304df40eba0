"""Amazon SNS mobile push, and the parts of STS and SSM that lead to its credentials."""
