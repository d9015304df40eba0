"""The cost of a picture: `python -m bench.images [--benign FOLDER …] [--json FILE]`.

It measures CPU (of this process and of the decoder) and memory for a 12-megapixel JPEG, the throughput of each stage
with the local engine, and how many harmless pictures of a folder the engine and the default policy do not approve.
"""

import argparse
import io
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from PIL import Image, ImageCms

from avatars.imaging.helper import Helper
from avatars.imaging.normalise import image_normalise
from avatars.imaging.thumbnails import thumbnails_make
from avatars.imaging.types import ImageLimits, ImageRefused
from avatars.moderation.local import LocalEngine
from avatars.moderation.policy import Policy, policy_decide

SIZES = (64, 128, 256, 512)
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif"}
ROUNDS = 15


def photograph(width: int = 4000, height: int = 3000, **options: Any) -> bytes:
    """As large as a phone's picture in pixels and, because of fine grain, in bytes (2 to 4 MB)."""
    rough = Image.merge("RGB", [Image.effect_noise((width // 20, height // 20), 90) for _ in range(3)])
    grain = Image.effect_noise((width, height), 24)
    smooth = rough.resize((width, height), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    Image.blend(smooth, Image.merge("RGB", [grain] * 3), 0.25).save(file, "JPEG", quality=88, **options)
    return file.getvalue()


class Meter:
    """CPU seconds and peak memory of this process and of the decoder's."""

    def __init__(self, helper: Helper) -> None:
        self._helper = helper

    def cpu(self) -> float:
        return time.process_time() + self._decoder_cpu()

    def _decoder_cpu(self) -> float:
        """From the scheduler's statistics, in nanoseconds; /proc/…/stat counts in hundredths of a second."""
        return int(Path(f"/proc/{self._helper.pid}/schedstat").read_text().split()[0]) / 1e9

    def memory_mb(self) -> float:
        return (_status_kb(self._helper.pid, "VmHWM") + _status_kb("self", "VmHWM")) / 1024

    @staticmethod
    def forget_peak() -> None:
        """Reset the peak of this process: making the picture needs more memory than everything after it."""
        Path("/proc/self/clear_refs").write_text("5")


def milliseconds(meter: Meter, work: Callable[[], object], rounds: int = ROUNDS) -> dict[str, float]:
    cpu, wall = [], []
    for _ in range(rounds):
        before, started = meter.cpu(), time.perf_counter()
        work()
        wall.append((time.perf_counter() - started) * 1000)
        cpu.append((meter.cpu() - before) * 1000)
    return {"cpu_ms": round(median(cpu), 1), "cpu_ms_best": round(min(cpu), 1), "wall_ms": round(median(wall), 1)}


def stages_run() -> dict[str, Any]:
    helper, engine, upload = Helper(), LocalEngine(), photograph()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profiled = photograph(icc_profile=profile)
    meter = Meter(helper)
    image_normalise(photograph(400, 300), helper=helper)
    meter.forget_peak()
    base = meter.memory_mb()
    master = image_normalise(upload, helper=helper).bytes
    thumbnails_make(master, SIZES)
    over_base = meter.memory_mb() - base
    found: dict[str, Any] = {
        "upload_bytes": len(upload),
        "master_bytes": len(master),
        "normalise": milliseconds(meter, lambda: image_normalise(upload, helper=helper)),
        "thumbnails": milliseconds(meter, lambda: thumbnails_make(master, SIZES)),
        "upload to thumbnails": milliseconds(
            meter, lambda: thumbnails_make(image_normalise(upload, helper=helper).bytes, SIZES)
        ),
        "the same, with a colour profile": milliseconds(
            meter, lambda: thumbnails_make(image_normalise(profiled, helper=helper).bytes, SIZES)
        ),
        "memory_over_base_mb": round(over_base, 1),
    }
    before = _status_kb("self", "VmRSS")
    engine.moderate(master)
    found["local engine"] = milliseconds(meter, lambda: engine.moderate(master))
    found["engine_memory_mb"] = round((_status_kb("self", "VmRSS") - before) / 1024, 1)
    found["policy"] = milliseconds(meter, lambda: policy_decide((), Policy(), model_version="7.0"))
    helper.close()
    return found


def _status_kb(pid: int | str | None, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def benign_run(folders: list[Path]) -> dict[str, Any]:
    """Moderate every picture below the folders with the default policy."""
    engine, ends, notable = LocalEngine(), Counter[str](), []
    scores: list[float] = []
    for path in _pictures(folders):
        try:
            master = image_normalise(path, ImageLimits(max_bytes=50_000_000))
        except ImageRefused as refused:
            ends[f"refused: {refused.code}"] += 1
            continue
        result = engine.moderate(master.bytes)
        score = max(result.raw["nsfw"].values())
        scores.append(score)
        action = policy_decide(result.labels, Policy(), model_version=result.ModerationModelVersion).action
        ends[str(action)] += 1
        if score >= 0.1:
            notable.append({"file": path.name, "score": score, "action": str(action)})
    above = {str(mark): sum(score >= mark for score in scores) for mark in (0.1, 0.2, 0.5, 0.8)}
    return {"pictures": len(scores), "ends": dict(ends), "scores at least": above, "notable": notable}


def _pictures(folders: list[Path]) -> Iterator[Path]:
    seen = set()
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in SUFFIXES and path.is_file():
                body = path.read_bytes()
                if body not in seen:
                    seen.add(body)
                    yield path


def _print(found: dict[str, Any]) -> None:
    for name, value in found.items():
        if isinstance(value, dict) and "cpu_ms" in value:
            rate = f"{1000 / value['cpu_ms']:8.1f} a second and core" if value["cpu_ms"] else ""
            print(f"{name:32} {value['cpu_ms']:7.1f} ms CPU (best {value['cpu_ms_best']:.1f}) {rate}")
        else:
            print(f"{name:32} {value}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.images", description=__doc__)
    parser.add_argument("--benign", type=Path, nargs="+", default=[], help="folders of harmless pictures")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    given = parser.parse_args()
    report = {"stages": stages_run()}
    _print(report["stages"])
    if given.benign:
        report["benign"] = benign_run(given.benign)
        _print(report["benign"])
    if given.json:
        given.json.write_text(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
