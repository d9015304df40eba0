"""Amazon SNS mobile push: direct Publish to platform endpoints."""
