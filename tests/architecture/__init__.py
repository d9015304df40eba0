"""What tests/test_architecture.py checks: who may import whom, who may touch rows, which words are used."""
