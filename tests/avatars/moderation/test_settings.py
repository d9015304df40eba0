"""The engine and its region: pushhub.settings.avatars, read as at start-up."""

import runpy
from typing import Any

import pytest

from avatars.moderation.registry import ENGINES
from pushhub.kernel.env import EnvironmentInvalid
from pushhub.settings import avatars


def read(monkeypatch: pytest.MonkeyPatch, **variables: str) -> dict[str, Any]:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return runpy.run_path(avatars.__file__)


@pytest.mark.parametrize("name", ["", *ENGINES])
def test_every_engine_can_be_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert read(monkeypatch, AVATAR_ENGINE=name)["AVATAR_ENGINE"] == name


def test_an_unknown_engine_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EnvironmentInvalid, match="must be local, rekognition or stub"):
        read(monkeypatch, AVATAR_ENGINE="Rekognition")


@pytest.mark.parametrize(("named", "region"), [("", "eu-west-1"), ("us-west-2", "us-west-2")])
def test_rekognition_uses_the_buckets_region_by_default(
    monkeypatch: pytest.MonkeyPatch, named: str, region: str
) -> None:
    found = read(monkeypatch, AVATAR_S3_REGION="eu-west-1", AVATAR_REKOGNITION_REGION=named)
    assert found["AVATAR_REKOGNITION_REGION"] == region
