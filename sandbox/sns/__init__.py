"""Amazon SNS mobile push, and as much of STS and SSM as leads to its credentials."""
