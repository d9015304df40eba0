"""The registry in bulk: files of devices in and out, each a job that workers carry out a slice at a time."""
